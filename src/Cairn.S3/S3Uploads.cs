using Amazon.Runtime;
using Amazon.S3.Model;

namespace Cairn.S3;

/// <summary>The requests of objects that come in parts.</summary>
/// <param name="connection">The way to the service.</param>
internal sealed class S3Uploads(S3Connection connection)
{
    private static readonly TimeSpan LongestAbort = TimeSpan.FromSeconds(10);

    /// <summary>Begins an object that comes in parts, and gives the name of its upload. One whose answer was lost is removed by the next start of the run.</summary>
    /// <param name="path">The object.</param>
    /// <param name="write">Will stand in the object's metadata.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<string> BeginAsync(string path, string write, CancellationToken cancellationToken)
    {
        var request = new InitiateMultipartUploadRequest { BucketName = connection.Address.Bucket, Key = connection.KeyOf(path) };
        request.Metadata.Add(S3Connection.WriteTag, write);
        return (await connection.DoAsync($"begin '{path}'", token => connection.Client.InitiateMultipartUploadAsync(request, token), cancellationToken).ConfigureAwait(false)).UploadId;
    }

    /// <summary>Uploads a part.</summary>
    public async Task<PartETag> UploadAsync(string path, string upload, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await connection.Transfers.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Without TLS the SHA-256 of the content is signed, and the service verifies that.
            string? digest = connection.IsEncrypted ? S3Connection.DigestOf(bytes.Span) : null;
            await connection.PaceAsync(bytes.Length, cancellationToken).ConfigureAwait(false);
            UploadPartResponse part = await connection.Attempts.RunAsync(
                $"write '{path}'",
                bytes.Length,
                token => connection.Client.UploadPartAsync(
                    new UploadPartRequest
                    {
                        BucketName = connection.Address.Bucket,
                        Key = connection.KeyOf(path),
                        UploadId = upload,
                        PartNumber = number,
                        PartSize = bytes.Length,
                        InputStream = new MemoryReadStream(bytes),
                        MD5Digest = digest,
                        UseChunkEncoding = false,
                        DisablePayloadSigning = connection.IsEncrypted,
                    },
                    token),
                cancellationToken: cancellationToken).ConfigureAwait(false);
            return new PartETag(number, part.ETag);
        }
        finally
        {
            connection.Transfers.Release();
        }
    }

    /// <summary>Completes an object that came in parts, and makes sure that the one that was written is there.</summary>
    public async Task CompleteAsync(string path, string upload, string write, long length, List<PartETag> parts, CancellationToken cancellationToken)
    {
        var request = new CompleteMultipartUploadRequest { BucketName = connection.Address.Bucket, Key = connection.KeyOf(path), UploadId = upload, PartETags = parts };
        bool isGone = false;
        try
        {
            // A service may take long to join many parts.
            await connection.Attempts.RunAsync(
                $"complete '{path}'", length >> 6, token => connection.Client.CompleteMultipartUploadAsync(request, token), S3Fault.IsNoUpload, null, cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonServiceException e) when (S3Fault.IsNoUpload(e))
        {
            // Completed by an attempt whose answer was lost, or aborted by somebody: the object tells.
            isGone = true;
        }
        ObjectHead? head = await connection.HeadAsync(path, cancellationToken).ConfigureAwait(false);
        if (head?.Write == write && head.Length == length)
            return;
        throw new IOException($"'{path}' in {connection.Address} is not complete: " + (isGone
            ? "its upload was aborted meanwhile. Another process may have taken over the run, or a rule of the bucket removes what is not complete."
            : head is null ? "it was removed meanwhile." : head.Write != write ? "another object stands there now." : $"it has {head.Length} bytes instead of {length}."));
    }

    /// <summary>Makes an object of the bytes of another one, in parts, several at a time: a service takes its time to copy many gigabytes.</summary>
    public async Task CopyAsync(string from, ObjectHead head, string to, long partBytes, CancellationToken cancellationToken)
    {
        string write = Guid.NewGuid().ToString("N"), upload = await BeginAsync(to, write, cancellationToken).ConfigureAwait(false);
        try
        {
            IEnumerable<Task<PartETag>> parts = Enumerable.Range(1, (int)((head.Length + partBytes - 1) / partBytes)).Select(number => CopyPartAsync(from, head, to, upload, number, partBytes, cancellationToken));
            await CompleteAsync(to, upload, write, head.Length, [.. await Task.WhenAll(parts).ConfigureAwait(false)], cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await TryAbortAsync(to, upload).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<PartETag> CopyPartAsync(string from, ObjectHead head, string to, string upload, int number, long partBytes, CancellationToken cancellationToken)
    {
        await connection.Transfers.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var request = new CopyPartRequest
            {
                SourceBucket = connection.Address.Bucket,
                SourceKey = connection.KeyOf(from),
                DestinationBucket = connection.Address.Bucket,
                DestinationKey = connection.KeyOf(to),
                UploadId = upload,
                PartNumber = number,
                FirstByte = (number - 1) * partBytes,
                LastByte = Math.Min(number * partBytes, head.Length) - 1,
                ETagToMatch = [head.ETag],
            };
            CopyPartResponse part = await connection.Attempts.RunAsync(
                $"copy '{from}'", partBytes >> 4, token => connection.Client.CopyPartAsync(request, token), S3Fault.IsOfCopy, null, cancellationToken).ConfigureAwait(false);
            return new PartETag(number, part.ETag);
        }
        finally
        {
            connection.Transfers.Release();
        }
    }

    /// <summary>Gives up an object that came in parts after an error, which is the one to report; where this fails too, the next start of the run removes what is left.</summary>
    public async Task TryAbortAsync(string path, string upload)
    {
        try
        {
            await AbortAsync(path, upload, LongestAbort, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Nothing more can be done here.
        }
    }

    /// <summary>Gives up an object that came in parts.</summary>
    /// <param name="path">The object.</param>
    /// <param name="upload">Its upload.</param>
    /// <param name="longest">How long that is tried.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task AbortAsync(string path, string upload, TimeSpan? longest, CancellationToken cancellationToken)
    {
        var request = new AbortMultipartUploadRequest { BucketName = connection.Address.Bucket, Key = connection.KeyOf(path), UploadId = upload };
        try
        {
            await connection.Attempts.RunAsync(
                $"abort '{path}'", 0, token => connection.Client.AbortMultipartUploadAsync(request, token), S3Fault.IsNoUpload, longest, cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonServiceException e) when (S3Fault.IsNoUpload(e))
        {
            // It was aborted before.
        }
    }

    /// <summary>The objects below the prefix that were begun and not completed.</summary>
    public async Task<List<(string Path, string Upload)>> ListAsync(CancellationToken cancellationToken)
    {
        var request = new ListMultipartUploadsRequest { BucketName = connection.Address.Bucket, Prefix = connection.Prefix };
        var found = new List<(string, string)>();
        ListMultipartUploadsResponse page;
        do
        {
            page = await connection.DoAsync("list uploads", token => connection.Client.ListMultipartUploadsAsync(request, token), cancellationToken).ConfigureAwait(false);
            foreach (MultipartUpload one in page.MultipartUploads ?? [])
                found.Add((one.Key[connection.Prefix.Length..], one.UploadId));
            (request.KeyMarker, request.UploadIdMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
        }
        while (page.IsTruncated == true);
        return found;
    }
}
