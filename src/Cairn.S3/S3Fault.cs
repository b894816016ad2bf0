using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Xml;
using Amazon.Runtime;

namespace Cairn.S3;

/// <summary>What a failed request means: whether it is worth trying again, and how to say it to a person.</summary>
internal static class S3Fault
{
    // ENOSPC, by which the library knows a full disk.
    private const int NoSpace = 28;

    private static readonly HashSet<string> PassingCodes = new(StringComparer.Ordinal)
    {
        "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException", "Throttling", "ThrottlingException", "TooManyRequests", "OperationAborted",
        "ConditionalRequestConflict", "ConcurrentModification", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "TokenRefreshRequired",
        // Without a code of S3: Ceph's HTTP layer, when a request follows one on its connection that was answered before its content came.
        "BadRequest",
    };

    /// <summary>There is no such object.</summary>
    public static bool IsMissing(Exception error) => error is AmazonServiceException { StatusCode: HttpStatusCode.NotFound, ErrorCode: not ("NoSuchBucket" or "NoSuchUpload") };

    /// <summary>There is no such upload: it was completed or aborted.</summary>
    public static bool IsNoUpload(Exception error) => error is AmazonServiceException { ErrorCode: "NoSuchUpload" };

    /// <summary>What a request was conditional on does not hold.</summary>
    public static bool IsCondition(Exception error) => error is AmazonServiceException { StatusCode: HttpStatusCode.PreconditionFailed };

    /// <summary>What a copy within the service is refused with for good: the object is gone or another one, its key may not copy, the service makes no copies.</summary>
    public static bool IsOfCopy(Exception error) => IsAnswer(error) && (!IsPassing(error) || error is AmazonServiceException { ErrorCode: "NotImplemented" });

    /// <summary>Whether the service was reached at all.</summary>
    public static bool IsAnswer(Exception error) => error is AmazonServiceException and not AmazonUnmarshallingException && ((AmazonServiceException)error).StatusCode != default;

    /// <summary>Whether the same request may succeed in a moment.</summary>
    public static bool IsPassing(Exception error) => error switch
    {
        AmazonServiceException answer when IsAnswer(answer) =>
            (answer.ErrorCode is { } code && PassingCodes.Contains(code)) || (int)answer.StatusCode is 408 or 429 or >= 500,
        // The time of one request was over, or its answer was cut.
        OperationCanceledException or AmazonUnmarshallingException => true,
        _ when Causes(error).Any(static cause => cause is AuthenticationException) => false,
        _ => Causes(error).Any(static cause => cause is HttpRequestException or IOException or SocketException or XmlException or TimeoutException or OperationCanceledException),
    };

    /// <summary>Says what is wrong and what to do.</summary>
    /// <param name="error">What the request failed with.</param>
    /// <param name="what">What was to be done, such as <c>put run.json</c>.</param>
    /// <param name="place">Where.</param>
    /// <param name="service">The service.</param>
    /// <param name="tried">For how long.</param>
    public static Exception Translate(Exception error, string what, S3Address place, string service, TimeSpan tried)
    {
        string begin = $"{place}: {what} failed: ";
        if (error is not AmazonServiceException answer || !IsAnswer(error))
            return OfNoAnswer(error, begin, service, tried);
        string code = $"({answer.ErrorCode ?? answer.StatusCode.ToString()})";
        return answer.ErrorCode switch
        {
            "NoSuchBucket" => new IOException($"{begin}there is no bucket '{place.Bucket}' at {service} {code}. Create it, or correct the address.", error),
            "InvalidAccessKeyId" => new UnauthorizedAccessException($"{begin}{service} does not know the access key {code}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile.", error),
            "SignatureDoesNotMatch" => new UnauthorizedAccessException($"{begin}the secret key does not belong to the access key {code}. Set AWS_SECRET_ACCESS_KEY anew; where both are right, check the region.", error),
            "ExpiredToken" or "InvalidToken" => new UnauthorizedAccessException($"{begin}the temporary keys are not valid any more {code}. Get new ones.", error),
            "RequestTimeTooSkewed" or "RequestExpired" => new IOException($"{begin}this machine's clock differs too much from the service's {code}. Set the clock, by NTP.", error),
            "QuotaExceeded" or "ServiceQuotaExceededException" or "StorageQuotaExceeded" or "InsufficientStorage" => new IOException($"{begin}the quota of the user or bucket is used up {code}. Raise it, or keep fewer checkpoints.", NoSpace),
            "PermanentRedirect" or "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException" => new IOException($"{begin}the bucket is in another region, or at another endpoint: {answer.Message} {code}. Set AWS_REGION or the endpoint.", error),
            "InvalidBucketName" => new IOException($"{begin}'{place.Bucket}' cannot be a bucket's name {code}. Correct the address.", error),
            "EntityTooLarge" => new IOException($"{begin}the service takes no object as large {code}.", error),
            "NoSuchUpload" => new IOException($"{begin}the upload was aborted meanwhile {code}: another process may have taken over the run, or a rule of the bucket removes what is not complete.", error),
            "NotImplemented" or "MethodNotAllowed" => new IOException($"{begin}the service cannot do that {code}: {answer.Message}", error),
            _ when answer.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized =>
                new UnauthorizedAccessException($"{begin}access is denied {code}. Allow this key to list, read, write and delete objects below the prefix, and to abort their uploads.", error),
            _ => new IOException($"{begin}{service} answered {(int)answer.StatusCode} {code}{Sentence(answer.Message)}{Tried(tried)}", error),
        };
    }

    private static Exception OfNoAnswer(Exception error, string begin, string service, TimeSpan tried)
    {
        if (Causes(error).OfType<AuthenticationException>().FirstOrDefault() is { } tls)
            return new IOException($"{begin}{service} cannot prove who it is: {tls.Message} Make its certificate known to this system; it is always verified.", error);
        if (Causes(error).OfType<SocketException>().FirstOrDefault() is { } socket)
            return new IOException($"{begin}{service} cannot be reached: {socket.Message}.{Tried(tried)} Check the endpoint and the network.", error);
        if (error is OperationCanceledException or TimeoutException)
            return new IOException($"{begin}{service} did not answer.{Tried(tried)}", error);
        if (error is AmazonClientException && !IsPassing(error))
            return new UnauthorizedAccessException($"{begin}no keys for {service} were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile.", error);
        return new IOException($"{begin}{Causes(error).Last().Message}{Tried(tried)}", error);
    }

    private static IEnumerable<Exception> Causes(Exception error)
    {
        for (Exception? cause = error; cause is not null; cause = cause.InnerException)
            yield return cause;
    }

    private static string Sentence(string? message) => string.IsNullOrWhiteSpace(message) ? "." : $": {message}";

    private static string Tried(TimeSpan tried) => tried < TimeSpan.FromSeconds(1) ? "" : $" It was tried for {tried.TotalSeconds:0} s.";
}
