using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace Cairn.S3;

/// <summary>The way to a service: its client, and what bounds all requests of a run together.</summary>
internal sealed class S3Connection : IDisposable
{
    /// <summary>The metadata by which a writer knows its own object again when an answer was lost.</summary>
    public const string WriteTag = "x-amz-meta-cairn-write";

    private readonly UploadPace? _pace;

    public S3Connection(S3Address address, S3StoreOptions options, TimeProvider time)
    {
        Address = address;
        Uri? endpoint = S3Client.EndpointOf(address, options, Environment.GetEnvironmentVariable);
        IsEncrypted = endpoint?.Scheme != Uri.UriSchemeHttp;
        Client = S3Client.Create(address, options, Environment.GetEnvironmentVariable);
        Attempts = new S3Attempts(address, endpoint?.GetLeftPart(UriPartial.Authority) ?? "AWS", options, time);
        Transfers = new SemaphoreSlim(options.RequestsAtOnce);
        _pace = options.UploadBytesPerSecond is { } limit ? new UploadPace(limit, time) : null;
        Prefix = address.Prefix.Length == 0 ? "" : address.Prefix + "/";
    }

    public S3Address Address { get; }

    public AmazonS3Client Client { get; }

    public S3Attempts Attempts { get; }

    /// <summary>Bounds the large requests that are under way.</summary>
    public SemaphoreSlim Transfers { get; }

    /// <summary>Whether the way is TLS, which protects the content, so that it need not be signed.</summary>
    public bool IsEncrypted { get; }

    /// <summary>Stands before the key of every object of the run: empty, or with a slash at its end.</summary>
    public string Prefix { get; }

    public string KeyOf(string path) => Prefix + path;

    /// <summary>Waits until so many bytes may be sent.</summary>
    public Task PaceAsync(int bytes, CancellationToken cancellationToken) => _pace?.WaitAsync(bytes, cancellationToken) ?? Task.CompletedTask;

    /// <summary>Makes a request without content.</summary>
    public Task<T> DoAsync<T>(string what, Func<CancellationToken, Task<T>> request, CancellationToken cancellationToken, Func<Exception, bool>? decides = null) =>
        Attempts.RunAsync(what, 0, request, decides, null, cancellationToken);

    /// <summary>What is known of an object; <see langword="null"/> when there is none.</summary>
    public async Task<ObjectHead?> HeadAsync(string path, CancellationToken cancellationToken)
    {
        var request = new GetObjectMetadataRequest { BucketName = Address.Bucket, Key = KeyOf(path) };
        try
        {
            GetObjectMetadataResponse head = await DoAsync(
                $"look at '{path}'", token => Client.GetObjectMetadataAsync(request, token), cancellationToken, S3Fault.IsMissing).ConfigureAwait(false);
            return new ObjectHead(head.ContentLength, head.ETag, head.Metadata[WriteTag]);
        }
        catch (AmazonServiceException e) when (S3Fault.IsMissing(e))
        {
            return null;
        }
    }

#pragma warning disable CA5351 // The one checksum of content that every service verifies; against accidents, not against attackers.
    public static string DigestOf(ReadOnlySpan<byte> bytes) => Convert.ToBase64String(MD5.HashData(bytes));
#pragma warning restore CA5351

    public void Dispose()
    {
        Client.Dispose();
        Transfers.Dispose();
    }
}
