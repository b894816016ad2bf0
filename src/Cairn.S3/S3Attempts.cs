using Amazon.Runtime;

namespace Cairn.S3;

/// <summary>Makes a request until it succeeds, fails for good, or its time is over. The pauses between grow, and differ from process to process.</summary>
/// <param name="place">Where, for messages.</param>
/// <param name="service">The service, for messages.</param>
/// <param name="options">The times.</param>
/// <param name="time">The clock.</param>
internal sealed class S3Attempts(S3Address place, string service, S3StoreOptions options, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(20), AtFirst = TimeSpan.FromSeconds(15);

    private volatile bool _hasAnswered;

    /// <summary>Makes a request.</summary>
    /// <param name="what">What it does, for messages.</param>
    /// <param name="bytes">What it carries.</param>
    /// <param name="request">Makes it once.</param>
    /// <param name="decides">Whether an error is the caller's to judge: it is thrown as it is.</param>
    /// <param name="longest">How long it is tried, where that is shorter than usual.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="IOException">It failed.</exception>
    /// <exception cref="UnauthorizedAccessException">The service refuses this key.</exception>
    public async Task<T> RunAsync<T>(
        string what, long bytes, Func<CancellationToken, Task<T>> request, Func<Exception, bool>? decides = null, TimeSpan? longest = null, CancellationToken cancellationToken = default)
    {
        long began = time.GetTimestamp();
        TimeSpan pause = FirstPause;
        while (true)
        {
            Exception error;
            using (var limit = new CancellationTokenSource(options.RequestTimeout + TimeSpan.FromSeconds(bytes >> 20), time))
            using (var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken))
            {
                try
                {
                    T result = await request(either.Token).ConfigureAwait(false);
                    _hasAnswered = true;
                    return result;
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested
                    && e is AmazonServiceException or AmazonClientException or HttpRequestException or IOException or OperationCanceledException)
                {
                    error = e;
                }
            }
            _hasAnswered |= S3Fault.IsAnswer(error);
            if (decides?.Invoke(error) == true)
                throw error;
            TimeSpan tried = time.GetElapsedTime(began), most = longest ?? options.RetryFor;
            if (!_hasAnswered && most > AtFirst)
                most = AtFirst;
            if (!S3Fault.IsPassing(error) || tried + pause > most)
                throw S3Fault.Translate(error, what, place, service, tried);
            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble() / 2), time, cancellationToken).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }
}
