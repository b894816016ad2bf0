using Amazon.Runtime;
using Amazon.S3.Model;

namespace Cairn.S3;

/// <summary>The requests of a store, each made as often as it takes. Paths are below the run's prefix.</summary>
/// <param name="connection">The way to the service; closed with this.</param>
internal sealed class S3Bucket(S3Connection connection) : IDisposable
{
    public S3Address Address => connection.Address;

    /// <summary>Bytes of the largest object that is copied in one request, and of each part of a larger one.</summary>
    public long LargestCopy { get; set; } = S3Parts.LargestCopy;

    /// <summary>The objects that come in parts.</summary>
    public S3Uploads Uploads { get; } = new(connection);

    /// <summary>All entries of a folder. Objects below its subfolders are not listed, whatever their number.</summary>
    public async Task<List<(string Name, bool IsFolder, long Length)>> ListAsync(string folder, CancellationToken cancellationToken)
    {
        string prefix = folder.Length == 0 ? connection.Prefix : connection.KeyOf(folder) + "/";
        var request = new ListObjectsV2Request { BucketName = Address.Bucket, Prefix = prefix, Delimiter = "/" };
        var found = new List<(string, bool, long)>();
        do
        {
            ListObjectsV2Response page = await connection.DoAsync($"list '{folder}'", token => connection.Client.ListObjectsV2Async(request, token), cancellationToken).ConfigureAwait(false);
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
    public Task<ObjectHead?> HeadAsync(string path, CancellationToken cancellationToken) => connection.HeadAsync(path, cancellationToken);

    /// <summary>Reads a range, all of which must be there, of one version of an object.</summary>
    public async Task ReadAsync(string path, ObjectHead head, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        await connection.Transfers.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            int done = 0;
            await connection.Attempts.RunAsync(
                $"read '{path}'",
                destination.Length,
                async token =>
                {
                    // What came before the connection broke is kept.
                    var range = new ByteRange(offset + done, offset + destination.Length - 1);
                    var request = new GetObjectRequest { BucketName = Address.Bucket, Key = connection.KeyOf(path), ByteRange = range, EtagToMatch = head.ETag };
                    using GetObjectResponse part = await connection.Client.GetObjectAsync(request, token).ConfigureAwait(false);
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
            connection.Transfers.Release();
        }
    }

    /// <summary>Puts an object in one request, over one that is there.</summary>
    public async Task PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        string digest = S3Connection.DigestOf(content.Span);
        await connection.PaceAsync(content.Length, cancellationToken).ConfigureAwait(false);
        await connection.Attempts.RunAsync(
            $"put '{path}'", content.Length, token => connection.Client.PutObjectAsync(PutOf(path, content, digest), token), cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Puts an object where there is none. What an attempt whose answer was lost has put counts as put.</summary>
    public async Task<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        string digest = S3Connection.DigestOf(content.Span), write = Guid.NewGuid().ToString("N");
        await connection.PaceAsync(content.Length, cancellationToken).ConfigureAwait(false);
        try
        {
            await connection.Attempts.RunAsync(
                $"put '{path}' where nothing is",
                content.Length,
                token =>
                {
                    PutObjectRequest put = PutOf(path, content, digest);
                    put.IfNoneMatch = "*";
                    put.Metadata.Add(S3Connection.WriteTag, write);
                    return connection.Client.PutObjectAsync(put, token);
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

    /// <summary>Copies an object within the bucket, in parts where it is large. It is this version of it, or none.</summary>
    /// <returns>Whether it was done: there are services that cannot.</returns>
    public async Task<bool> TryCopyAsync(string from, string to, CancellationToken cancellationToken)
    {
        ObjectHead head = await HeadAsync(from, cancellationToken).ConfigureAwait(false) ?? throw new FileNotFoundException($"There is no '{from}' in {Address}.", from);
        try
        {
            if (head.Length > LargestCopy)
            {
                await Uploads.CopyAsync(from, head, to, LargestCopy, cancellationToken).ConfigureAwait(false);
                return true;
            }
            var request = new CopyObjectRequest
            {
                SourceBucket = Address.Bucket,
                SourceKey = connection.KeyOf(from),
                DestinationBucket = Address.Bucket,
                DestinationKey = connection.KeyOf(to),
                ETagToMatch = head.ETag,
            };
            await connection.Attempts.RunAsync($"copy '{from}'", head.Length >> 4, token => connection.Client.CopyObjectAsync(request, token), S3Fault.IsOfCopy, null, cancellationToken).ConfigureAwait(false);
        }
        catch (AmazonServiceException e) when (S3Fault.IsMissing(e) || S3Fault.IsCondition(e))
        {
            throw new FileNotFoundException($"'{from}' in {Address} was removed or replaced while it was copied.", from, e);
        }
        catch (AmazonServiceException e) when (S3Fault.IsOfCopy(e))
        {
            return false;
        }
        return (await HeadAsync(to, cancellationToken).ConfigureAwait(false))?.Length == head.Length ? true : throw new IOException($"'{to}' in {Address} is not what was copied: another object stands there, or none.");
    }

    /// <summary>Removes an object; nothing happens when there is none.</summary>
    public async Task DeleteAsync(string path, CancellationToken cancellationToken)
    {
        var request = new DeleteObjectRequest { BucketName = Address.Bucket, Key = connection.KeyOf(path) };
        try
        {
            await connection.DoAsync($"delete '{path}'", token => connection.Client.DeleteObjectAsync(request, token), cancellationToken, S3Fault.IsMissing).ConfigureAwait(false);
        }
        catch (AmazonServiceException e) when (S3Fault.IsMissing(e))
        {
            // Some services say so.
        }
    }

    public void Dispose() => connection.Dispose();

    private PutObjectRequest PutOf(string path, ReadOnlyMemory<byte> content, string digest) => new()
    {
        BucketName = Address.Bucket,
        Key = connection.KeyOf(path),
        InputStream = new MemoryReadStream(content),
        MD5Digest = digest,
        UseChunkEncoding = false,
        DisablePayloadSigning = connection.IsEncrypted,
    };
}
