using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace Cairn.S3;

/// <summary>The requests of a store, each made as often as it takes. Paths are below the run's prefix.</summary>
internal sealed class S3Bucket : IDisposable
{
    // By which a writer knows its own object again when an answer was lost.
    private const string WriteTag = "x-amz-meta-cairn-write";

    private readonly AmazonS3Client _client;
    private readonly S3Attempts _attempts;
    private readonly SemaphoreSlim _transfers;
    private readonly UploadPace? _pace;
    private readonly bool _isEncrypted;
    private readonly string _before;

    public S3Bucket(S3Address address, S3StoreOptions options, TimeProvider time)
    {
        Address = address;
        Uri? endpoint = S3Client.EndpointOf(address, options, Environment.GetEnvironmentVariable);
        _isEncrypted = endpoint?.Scheme != Uri.UriSchemeHttp;
        _client = S3Client.Create(address, options, Environment.GetEnvironmentVariable);
        _attempts = new S3Attempts(address, endpoint?.GetLeftPart(UriPartial.Authority) ?? "AWS", options, time);
        _transfers = new SemaphoreSlim(options.RequestsAtOnce);
        _pace = options.UploadBytesPerSecond is { } limit ? new UploadPace(limit, time) : null;
        _before = address.Prefix.Length == 0 ? "" : address.Prefix + "/";
    }

    public S3Address Address { get; }

    /// <summary>All entries of a folder. Objects below its subfolders are not listed, whatever their number.</summary>
    public async Task<List<(string Name, bool IsFolder, long Length)>> ListAsync(string folder, CancellationToken cancellationToken)
    {
        string prefix = folder.Length == 0 ? _before : KeyOf(folder) + "/";
        var request = new ListObjectsV2Request { BucketName = Address.Bucket, Prefix = prefix, Delimiter = "/" };
        var found = new List<(string, bool, long)>();
        do
        {
            ListObjectsV2Response page = await DoAsync($"list '{folder}'", token => _client.ListObjectsV2Async(request, token), cancellationToken).ConfigureAwait(false);
            // An object of the folder's own name is what consoles put to show an empty one.
            foreach (S3Object entry in page.S3Objects ?? [])
            {
                if (entry.Key.Length > prefix.Length)
                    found.Add((entry.Key[prefix.Length..], false, entry.Size ?? 0));
            }
            foreach (string entry in page.CommonPrefixes ?? [])
                found.Add((entry[prefix.Length..^1], true, 0));
            request.ContinuationToken = page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (request.ContinuationToken is not null);
        return found;
    }

    /// <summary>What is known of an object; <see langword="null"/> when there is none.</summary>
    public async Task<ObjectHead?> HeadAsync(string path, CancellationToken cancellationToken)
    {
        var request = new GetObjectMetadataRequest { BucketName = Address.Bucket, Key = KeyOf(path) };
        try
        {
            GetObjectMetadataResponse head = await DoAsync(
                $"look at '{path}'", token => _client.GetObjectMetadataAsync(request, token), cancellationToken, S3Fault.IsMissing).ConfigureAwait(false);
            return new ObjectHead(head.ContentLength, head.ETag, head.Metadata[WriteTag]);
        }
        catch (AmazonServiceException e) when (S3Fault.IsMissing(e))
        {
            return null;
        }
    }

    /// <summary>Reads a range, all of which must be there, of one version of an object.</summary>
    public async Task ReadAsync(string path, ObjectHead head, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        await _transfers.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            int done = 0;
            await _attempts.RunAsync(
                $"read '{path}'",
                destination.Length,
                async token =>
                {
                    // What came before the connection broke is kept.
                    var range = new ByteRange(offset + done, offset + destination.Length - 1);
                    var request = new GetObjectRequest { BucketName = Address.Bucket, Key = KeyOf(path), ByteRange = range, EtagToMatch = head.ETag };
                    using GetObjectResponse part = await _client.GetObjectAsync(request, token).ConfigureAwait(false);
                    if (part.ContentLength != destination.Length - done)
                        throw new IOException($"{part.ContentLength} bytes came instead of {destination.Length - done}.");
                    while (done < destination.Length)
                    {
                        int read = await part.ResponseStream.ReadAsync(destination[done..], token).ConfigureAwait(false);
                        done += read > 0 ? read : throw new IOException("The answer was cut.");
                    }
                    return true;
                },
                static e => S3Fault.IsMissing(e) || S3Fault.IsCondition(e),
                null,
                cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonServiceException e) when (S3Fault.IsMissing(e))
        {
            throw new FileNotFoundException($"'{path}' in {Address} was removed while it was read.", path, e);
        }
        catch (AmazonServiceException e) when (S3Fault.IsCondition(e))
        {
            throw new IOException($"'{path}' in {Address} was replaced while it was read. Read it again.", e);
        }
        finally
        {
            _transfers.Release();
        }
    }

    /// <summary>Puts an object in one request, over one that is there.</summary>
    public async Task PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        string digest = DigestOf(content.Span);
        await PaceAsync(content.Length, cancellationToken).ConfigureAwait(false);
        await _attempts.RunAsync(
            $"put '{path}'", content.Length, token => _client.PutObjectAsync(PutOf(path, content, digest), token), cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Puts an object where there is none. What an attempt whose answer was lost has put counts as put.</summary>
    public async Task<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        string digest = DigestOf(content.Span), write = Guid.NewGuid().ToString("N");
        await PaceAsync(content.Length, cancellationToken).ConfigureAwait(false);
        try
        {
            await _attempts.RunAsync(
                $"put '{path}' where nothing is",
                content.Length,
                token =>
                {
                    PutObjectRequest put = PutOf(path, content, digest);
                    put.IfNoneMatch = "*";
                    put.Metadata.Add(WriteTag, write);
                    return _client.PutObjectAsync(put, token);
                },
                S3Fault.IsCondition,
                null,
                cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (AmazonServiceException e) when (S3Fault.IsCondition(e))
        {
            // An attempt before it may have been one of the connection's own, of which nobody hears.
            return (await HeadAsync(path, cancellationToken).ConfigureAwait(false))?.Write == write;
        }
    }

    /// <summary>Removes an object; nothing happens when there is none.</summary>
    public async Task DeleteAsync(string path, CancellationToken cancellationToken)
    {
        var request = new DeleteObjectRequest { BucketName = Address.Bucket, Key = KeyOf(path) };
        try
        {
            await DoAsync($"delete '{path}'", token => _client.DeleteObjectAsync(request, token), cancellationToken, S3Fault.IsMissing).ConfigureAwait(false);
        }
        catch (AmazonServiceException e) when (S3Fault.IsMissing(e))
        {
            // Some services say so.
        }
    }

    /// <summary>Begins an object that comes in parts, and gives the name of its upload. One whose answer was lost is removed by the next start of the run.</summary>
    /// <param name="path">The object.</param>
    /// <param name="write">Will stand in the object's metadata.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<string> BeginAsync(string path, string write, CancellationToken cancellationToken)
    {
        var request = new InitiateMultipartUploadRequest { BucketName = Address.Bucket, Key = KeyOf(path) };
        request.Metadata.Add(WriteTag, write);
        return (await DoAsync($"begin '{path}'", token => _client.InitiateMultipartUploadAsync(request, token), cancellationToken).ConfigureAwait(false)).UploadId;
    }

    /// <summary>Uploads a part.</summary>
    public async Task<PartETag> UploadAsync(string path, string upload, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await _transfers.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Without TLS the SHA-256 of the content is signed, and the service verifies that.
            string? digest = _isEncrypted ? DigestOf(bytes.Span) : null;
            await PaceAsync(bytes.Length, cancellationToken).ConfigureAwait(false);
            UploadPartResponse part = await _attempts.RunAsync(
                $"write '{path}'",
                bytes.Length,
                token => _client.UploadPartAsync(
                    new UploadPartRequest
                    {
                        BucketName = Address.Bucket,
                        Key = KeyOf(path),
                        UploadId = upload,
                        PartNumber = number,
                        PartSize = bytes.Length,
                        InputStream = new MemoryReadStream(bytes),
                        MD5Digest = digest,
                        UseChunkEncoding = false,
                        DisablePayloadSigning = _isEncrypted,
                    },
                    token),
                cancellationToken: cancellationToken).ConfigureAwait(false);
            return new PartETag(number, part.ETag);
        }
        finally
        {
            _transfers.Release();
        }
    }

    /// <summary>Completes an object that came in parts, and makes sure that the one that was written is there.</summary>
    public async Task CompleteAsync(string path, string upload, string write, long length, List<PartETag> parts, CancellationToken cancellationToken)
    {
        var request = new CompleteMultipartUploadRequest { BucketName = Address.Bucket, Key = KeyOf(path), UploadId = upload, PartETags = parts };
        bool isGone = false;
        try
        {
            // A service may take long to join many parts.
            await _attempts.RunAsync(
                $"complete '{path}'", length >> 6, token => _client.CompleteMultipartUploadAsync(request, token), S3Fault.IsNoUpload, null, cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonServiceException e) when (S3Fault.IsNoUpload(e))
        {
            // Completed by an attempt whose answer was lost, or aborted by somebody: the object tells.
            isGone = true;
        }
        ObjectHead? head = await HeadAsync(path, cancellationToken).ConfigureAwait(false);
        if (head?.Write == write && head.Length == length)
            return;
        throw new IOException($"'{path}' in {Address} is not complete: " + (isGone
            ? "its upload was aborted meanwhile. Another process may have taken over the run, or a rule of the bucket removes what is not complete."
            : head is null ? "it was removed meanwhile." : head.Write != write ? "another object stands there now." : $"it has {head.Length} bytes instead of {length}."));
    }

    /// <summary>Gives up an object that came in parts.</summary>
    /// <param name="path">The object.</param>
    /// <param name="upload">Its upload.</param>
    /// <param name="longest">How long that is tried.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task AbortAsync(string path, string upload, TimeSpan? longest, CancellationToken cancellationToken)
    {
        var request = new AbortMultipartUploadRequest { BucketName = Address.Bucket, Key = KeyOf(path), UploadId = upload };
        try
        {
            await _attempts.RunAsync(
                $"abort '{path}'", 0, token => _client.AbortMultipartUploadAsync(request, token), S3Fault.IsNoUpload, longest, cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonServiceException e) when (S3Fault.IsNoUpload(e))
        {
            // It was aborted before.
        }
    }

    /// <summary>The objects below the prefix that were begun and not completed.</summary>
    public async Task<List<(string Path, string Upload)>> ListUploadsAsync(CancellationToken cancellationToken)
    {
        var request = new ListMultipartUploadsRequest { BucketName = Address.Bucket, Prefix = _before };
        var found = new List<(string, string)>();
        ListMultipartUploadsResponse page;
        do
        {
            page = await DoAsync("list uploads", token => _client.ListMultipartUploadsAsync(request, token), cancellationToken).ConfigureAwait(false);
            foreach (MultipartUpload one in page.MultipartUploads ?? [])
                found.Add((one.Key[_before.Length..], one.UploadId));
            (request.KeyMarker, request.UploadIdMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
        }
        while (page.IsTruncated == true);
        return found;
    }

    public void Dispose()
    {
        _client.Dispose();
        _transfers.Dispose();
    }

    private string KeyOf(string path) => _before + path;

    private Task PaceAsync(int bytes, CancellationToken cancellationToken) => _pace?.WaitAsync(bytes, cancellationToken) ?? Task.CompletedTask;

    private Task<T> DoAsync<T>(string what, Func<CancellationToken, Task<T>> request, CancellationToken cancellationToken, Func<Exception, bool>? decides = null) =>
        _attempts.RunAsync(what, 0, request, decides, null, cancellationToken);

    private PutObjectRequest PutOf(string path, ReadOnlyMemory<byte> content, string digest) => new()
    {
        BucketName = Address.Bucket,
        Key = KeyOf(path),
        InputStream = new MemoryReadStream(content),
        MD5Digest = digest,
        UseChunkEncoding = false,
        DisablePayloadSigning = _isEncrypted,
    };

#pragma warning disable CA5351 // The one checksum of content that every service verifies; against accidents, not against attackers.
    private static string DigestOf(ReadOnlySpan<byte> bytes) => Convert.ToBase64String(MD5.HashData(bytes));
#pragma warning restore CA5351
}
