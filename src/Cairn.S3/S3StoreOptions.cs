namespace Cairn.S3;

/// <summary>
/// How an object store is reached, and how much of the network a run may take. What is not set comes from where AWS's own tools look for
/// it.
/// </summary>
public sealed class S3StoreOptions
{
    /// <summary>
    /// The service's address, such as <c>https://s3.example.com:9000</c>. Default <see langword="null"/>: the one of the run's address,
    /// else <c>AWS_ENDPOINT_URL_S3</c> or <c>AWS_ENDPOINT_URL</c>, else AWS.
    /// </summary>
    public Uri? Endpoint { get; set; }

    /// <summary>
    /// The region. Default <see langword="null"/>: the one of the run's address, else <c>AWS_REGION</c>, <c>AWS_DEFAULT_REGION</c> or the
    /// profile's; <c>us-east-1</c> for a service that is not AWS.
    /// </summary>
    public string? Region { get; set; }

    /// <summary>
    /// Whether the bucket stands in the path of a request instead of in the host's name. Default <see langword="null"/>: at every service
    /// with an address of its own, but for Aliyun's and Volcano's, which refuse it.
    /// </summary>
    public bool? PathStyle { get; set; }

    /// <summary>
    /// The access key. Default <see langword="null"/>: InternLM's variables for an address of its kind, else the environment, the
    /// profile, or the machine's role.
    /// </summary>
    public string? AccessKeyId { get; set; }

    /// <summary>The secret key that belongs to <see cref="AccessKeyId"/>.</summary>
    public string? SecretAccessKey { get; set; }

    /// <summary>The token of temporary keys. Default <see langword="null"/>.</summary>
    public string? SessionToken { get; set; }

    /// <summary>
    /// A profile of AWS's configuration files that has the keys. Default <see langword="null"/>: <c>AWS_PROFILE</c>, else the default
    /// one.
    /// </summary>
    public string? Profile { get; set; }

    /// <summary>
    /// Bytes of a part of a large object: a multiple of 8 MiB, at most 512 MiB. Default 8 MiB. An object that would have more than 10,000
    /// parts gets larger ones.
    /// </summary>
    public int PartBytes { get; set; } = S3Parts.BlockBytes;

    /// <summary>How many parts and ranges are under way at once, all objects together. From 1 to 256. Default 8.</summary>
    public int RequestsAtOnce { get; set; } = 8;

    /// <summary>
    /// Bytes that may be uploaded in a second, so that saving leaves the network to training. Default <see langword="null"/>: no limit.
    /// </summary>
    public long? UploadBytesPerSecond { get; set; }

    /// <summary>
    /// How long a call is tried again when the service does not answer or is overloaded, before it fails. Default 5 minutes; a service
    /// that has never answered is given up after 15 seconds.
    /// </summary>
    public TimeSpan RetryFor { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long one request may take before it counts as lost, and a second more for each MiB that it carries. Default 1 minute.
    /// </summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromMinutes(1);

    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    internal static void Check(S3StoreOptions options)
    {
        if (options.PartBytes is < S3Parts.BlockBytes or > 512 << 20 || options.PartBytes % S3Parts.BlockBytes != 0)
            throw new ArgumentException($"PartBytes is {options.PartBytes}; it must be a multiple of 8 MiB, from 8 to 512 MiB.", nameof(options));
        if (options.RequestsAtOnce is < 1 or > 256)
            throw new ArgumentException($"RequestsAtOnce is {options.RequestsAtOnce}; it must be from 1 to 256.", nameof(options));
        if (options.UploadBytesPerSecond <= 0)
            throw new ArgumentException($"UploadBytesPerSecond is {options.UploadBytesPerSecond}; it must be positive, or null for no limit.", nameof(options));
        if (options.RetryFor < TimeSpan.Zero || options.RequestTimeout <= TimeSpan.Zero)
            throw new ArgumentException($"RetryFor is {options.RetryFor} and RequestTimeout {options.RequestTimeout}; they must be positive.", nameof(options));
        if (options.Endpoint is { } endpoint && (!endpoint.IsAbsoluteUri || endpoint.Scheme is not ("http" or "https")))
            throw new ArgumentException($"Endpoint is '{endpoint}'; it must begin with http:// or https://.", nameof(options));
        if (options.AccessKeyId is null != options.SecretAccessKey is null)
            throw new ArgumentException("AccessKeyId and SecretAccessKey must be set both or not at all.", nameof(options));
    }
}
