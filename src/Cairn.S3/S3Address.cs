using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Cairn.S3;

/// <summary>
/// Where a run lives in an object store. Written as <c>s3://bucket/prefix</c>, or as InternLM writes it: <c>boto3:s3://bucket.endpoint/prefix</c>,
/// <c>oss2:ali://bucket.endpoint/prefix</c>, <c>volc:vc://bucket.endpoint/prefix</c>, each also without what stands before its first colon.
/// </summary>
public sealed record S3Address
{
    private const string Scheme = "s3://", Ali = "ali://", Volc = "vc://";
    private static readonly (string Before, string Scheme)[] Written = [("boto3:", Scheme), ("oss2:", Ali), ("volc:", Volc)];

    private S3Address(string bucket, string prefix, Uri? endpoint, string? region, S3Service service) =>
        (Bucket, Prefix, Endpoint, Region, Service) = (bucket, prefix, endpoint, region, service);

    /// <summary>The bucket.</summary>
    public string Bucket { get; }

    /// <summary>What all keys of the run begin with, without a slash at its ends; empty for the whole bucket.</summary>
    public string Prefix { get; }

    /// <summary>The service, where the address names it.</summary>
    public Uri? Endpoint { get; }

    /// <summary>The region, where the address names it.</summary>
    public string? Region { get; }

    internal S3Service Service { get; }

    /// <summary>Reads an address.</summary>
    /// <exception cref="FormatException">It is none; the message says what was expected.</exception>
    public static S3Address Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out S3Address? address) ? address : throw new FormatException(
            $"'{text}' is no address of an object store. Write s3://bucket/prefix, boto3:s3://bucket.endpoint/prefix, oss2:ali://bucket.endpoint/prefix or volc:vc://bucket.endpoint/prefix.");
    }

    /// <summary>Reads an address; <see langword="false"/> when it is none.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out S3Address? address)
    {
        address = null;
        if (text is null)
            return false;
        bool isNamed = false;
        foreach ((string before, string scheme) in Written)
        {
            if (!text.StartsWith(before + scheme, StringComparison.OrdinalIgnoreCase))
                continue;
            (text, isNamed) = (text[before.Length..], true);
            break;
        }
        int end = text.IndexOf("://", StringComparison.Ordinal) + 3;
        if (end < 3)
            return false;
        (string authority, string prefix) = text.IndexOf('/', end) is > 0 and int slash ? (text[end..slash], text[(slash + 1)..].Trim('/')) : (text[end..], "");
        // Names that lead nowhere or upwards; a key may hold them, and a folder of a run not.
        if (prefix.Length > 0 && prefix.Split('/').Any(name => name is "" or "." or ".."))
            return false;
        address = text[..end].ToLowerInvariant() switch
        {
            Scheme => OfS3(authority, prefix, isNamed),
            Ali => OfAli(authority, prefix),
            Volc => OfVolc(authority, prefix),
            _ => null,
        };
        return address is not null;
    }

    /// <summary>Another place at the same service.</summary>
    /// <param name="prefix">What its keys begin with.</param>
    internal S3Address At(string prefix) => new(Bucket, prefix, Endpoint, Region, Service);

    /// <summary>The address as it can be read again.</summary>
    public override string ToString()
    {
        string begin = Service switch { S3Service.Ali => Written[1].Before + Ali, S3Service.Volc => Written[2].Before + Volc, _ => Endpoint is null ? Scheme : Written[0].Before + Scheme };
        string place = Endpoint is null ? Bucket : $"{Bucket}.{Endpoint.Authority}";
        return Prefix.Length == 0 ? begin + place : $"{begin}{place}/{Prefix}";
    }

    // A name with dots may be a bucket's. InternLM takes what follows the first dot for the endpoint, and knows only addresses of numbers there, which no bucket ends with.
    private static S3Address? OfS3(string authority, string prefix, bool isNamed)
    {
        int dot = authority.IndexOf('.', StringComparison.Ordinal);
        string host = dot < 0 ? "" : authority[(dot + 1)..];
        bool isNumbers = IPEndPoint.TryParse(host, out IPEndPoint? numbers) && host.Count(letter => letter == '.') == 3 && numbers.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork;
        if (dot < 0 || (!isNamed && !isNumbers))
            return IsBucket(authority) ? new S3Address(authority, prefix, null, null, S3Service.Any) : null;
        return IsBucket(authority[..dot]) && TryEndpoint(isNumbers ? "http" : "https", host, out Uri? endpoint) ? new S3Address(authority[..dot], prefix, endpoint, null, S3Service.Any) : null;
    }

    private static S3Address? OfAli(string authority, string prefix)
    {
        if (!Split(authority, out string bucket, out string host))
            return null;
        const string Before = "oss-", OfS3Names = "s3.";
        string own = host.StartsWith(OfS3Names, StringComparison.Ordinal) ? host[OfS3Names.Length..] : host;
        string first = own.Split('.')[0].Replace("-internal", "", StringComparison.Ordinal);
        string? region = first.StartsWith(Before, StringComparison.Ordinal) ? first[Before.Length..] : null;
        // Its names for S3 are others than its own.
        string name = own.StartsWith(Before, StringComparison.Ordinal) && own.EndsWith(".aliyuncs.com", StringComparison.Ordinal) ? OfS3Names + own : own;
        return TryEndpoint("https", name, out Uri? endpoint) ? new S3Address(bucket, prefix, endpoint, region, S3Service.Ali) : null;
    }

    private static S3Address? OfVolc(string authority, string prefix)
    {
        if (!Split(authority, out string bucket, out string host))
            return null;
        const string Own = "tos-", OfS3Names = "tos-s3-";
        string rest = host.StartsWith(OfS3Names, StringComparison.Ordinal) ? host[OfS3Names.Length..] : host.StartsWith(Own, StringComparison.Ordinal) ? host[Own.Length..] : "";
        string name = rest.Length == 0 ? host : OfS3Names + rest;
        return TryEndpoint("https", name, out Uri? endpoint) ? new S3Address(bucket, prefix, endpoint, rest.Length == 0 ? null : rest.Split('.')[0], S3Service.Volc) : null;
    }

    private static bool Split(string authority, out string bucket, out string host)
    {
        int dot = authority.IndexOf('.', StringComparison.Ordinal);
        (bucket, host) = dot < 0 ? ("", "") : (authority[..dot], authority[(dot + 1)..].ToLowerInvariant());
        return IsBucket(bucket) && host.Contains('.', StringComparison.Ordinal);
    }

    private static bool TryEndpoint(string scheme, string host, [NotNullWhen(true)] out Uri? endpoint) =>
        Uri.TryCreate($"{scheme}://{host}", UriKind.Absolute, out endpoint) && endpoint.Host.Length > 0 && endpoint.PathAndQuery == "/" && endpoint.UserInfo.Length == 0;

    // Older buckets have capital letters and underscores.
    private static bool IsBucket(string name) => name.Length is >= 3 and <= 255 && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_');
}

/// <summary>Whose keys an address asks for.</summary>
internal enum S3Service { Any, Ali, Volc }
