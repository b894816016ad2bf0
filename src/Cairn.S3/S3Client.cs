using Amazon;
using Amazon.Runtime;
using Amazon.S3;

namespace Cairn.S3;

/// <summary>Makes the client of a service: where it is, who asks, and what the library does itself instead of the SDK.</summary>
internal static class S3Client
{
    private const string RegionOfOthers = "us-east-1";

    /// <summary>The service's address; <see langword="null"/> for AWS.</summary>
    public static Uri? EndpointOf(S3Address address, S3StoreOptions options, Func<string, string?> variable)
    {
        if ((options.Endpoint ?? address.Endpoint) is { } given)
            return given;
        return (variable("AWS_ENDPOINT_URL_S3") ?? variable("AWS_ENDPOINT_URL")) is not { Length: > 0 } text ? null
            : Uri.TryCreate(text, UriKind.Absolute, out Uri? found) && found.Scheme is "http" or "https" ? found
            : throw new FormatException($"AWS_ENDPOINT_URL is '{text}'; it must begin with http:// or https://.");
    }

    /// <summary>Makes it.</summary>
    /// <exception cref="FormatException">Neither service nor region are known, or a variable is wrong.</exception>
    public static AmazonS3Client Create(S3Address address, S3StoreOptions options, Func<string, string?> variable)
    {
        Uri? endpoint = EndpointOf(address, options, variable);
        var config = new AmazonS3Config
        {
            // Tried again by the store, whose time to do so is bounded.
            MaxErrorRetry = 0,
            MaxStaleConnectionRetries = 0,
            Timeout = TimeSpan.FromHours(1),
            ConnectTimeout = TimeSpan.FromSeconds(10),
            MaxConnectionsPerServer = options.RequestsAtOnce + 8,
            // Content-MD5 is what every service verifies; newer checksums are refused by many.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (options.Profile is { } profile)
            config.Profile = new Profile(profile);
        string? region = options.Region ?? address.Region;
        if (endpoint is not null)
        {
            config.ServiceURL = endpoint.ToString();
            config.AuthenticationRegion = region ?? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? RegionOfOthers;
            config.ForcePathStyle = options.PathStyle ?? address.Service == S3Service.Any;
        }
        else
        {
            if (region is not null)
                config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
            config.ForcePathStyle = options.PathStyle ?? false;
        }
        try
        {
            return KeysOf(address, options, variable) is { } keys ? new AmazonS3Client(keys, config) : new AmazonS3Client(config);
        }
        catch (AmazonClientException e)
        {
            throw new FormatException($"{address} cannot be opened: {e.Message.TrimEnd('.')}. For AWS set AWS_REGION, for any other service AWS_ENDPOINT_URL.", e);
        }
    }

    /// <summary>The keys to use; <see langword="null"/> for those that the SDK finds in environment, profiles and roles.</summary>
    public static AWSCredentials? KeysOf(S3Address address, S3StoreOptions options, Func<string, string?> variable)
    {
        if (options.AccessKeyId is { } id)
            return options.SessionToken is { } token ? new SessionAWSCredentials(id, options.SecretAccessKey, token) : new BasicAWSCredentials(id, options.SecretAccessKey);
        if (options.Profile is not null)
            return null;
        // The names that InternLM reads. Those of AWS win where a program has both, unless the address is InternLM's.
        string own = address.Service switch { S3Service.Ali => "ALI", S3Service.Volc => "VOLC", _ => "S3" };
        bool hasOthers = address.Endpoint is null && !string.IsNullOrEmpty(variable("AWS_ACCESS_KEY_ID"));
        return !hasOthers && variable($"{own}_ACCESS_KEY_ID") is { Length: > 0 } key && variable($"{own}_SECRET_ACCESS_KEY_ID") is { Length: > 0 } secret ? new BasicAWSCredentials(key, secret) : null;
    }
}
