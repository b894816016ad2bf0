using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Cairn.Alerts;

/// <summary>
/// Posts alerts to a web address. What may pass (no answer, 429, 5xx) is tried again with longer and longer pauses, or after the pause that the answer asks for; what will not (4xx, a redirect) is not.
/// Redirects are not followed: they would carry the alert to somebody who was not named. No message holds more of the address than scheme and host.
/// </summary>
/// <param name="address">The address.</param>
/// <param name="time">The clock.</param>
/// <param name="timeout">Longest wait for one answer; 10 seconds by default.</param>
internal sealed class WebhookSink(AlertAddress address, TimeProvider time, TimeSpan? timeout = null) : IAlertSink
{
    /// <summary>How often an alert is tried.</summary>
    public const int Tries = 5;

    private const int LargestAnswer = 64 << 10;
    // Too many messages to one bot: https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot.
    private const int FeishuTooOften = 11232;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromMinutes(5);

    // Nothing of the request is told to tracers: the path is the secret.
    private static readonly HttpClient Client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ActivityHeadersPropagator = null,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    private readonly TimeSpan _timeout = timeout ?? TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    /// <exception cref="HttpRequestException">It was not taken.</exception>
    public async Task SendAsync(Alert alert, CancellationToken cancellationToken)
    {
        byte[] body = AlertBody.Of(alert, address.Format);
        TimeSpan pause = FirstPause;
        for (int tries = 1; ; tries++)
        {
            Answer answer = await PostAsync(body, cancellationToken).ConfigureAwait(false);
            if (answer.IsTaken)
                return;
            if (!answer.MayPass || tries == Tries)
                throw new HttpRequestException(answer.Problem + (tries > 1 ? $" It was tried {tries} times." : ""));
            TimeSpan wait = answer.After is { } asked && asked > pause ? asked : pause;
            await Task.Delay(wait < LongestPause ? wait : LongestPause, time, cancellationToken).ConfigureAwait(false);
            pause *= 2;
        }
    }

    private async Task<Answer> PostAsync(byte[] body, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, address.Uri) { Content = new ByteArrayContent(body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json") { CharSet = "utf-8" };
            using HttpResponseMessage response = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token).ConfigureAwait(false);
            return address.Format == AlertFormat.Feishu && response.IsSuccessStatusCode ? await FeishuAsync(response, both.Token).ConfigureAwait(false) : Of(response);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Answer.Later($"{address.Shown} did not answer within {_timeout.TotalSeconds:0.#} s.");
        }
        // Its message may name more than the host.
        catch (HttpRequestException e)
        {
            return Answer.Later($"{address.Shown} cannot be reached ({e.HttpRequestError}).");
        }
        catch (IOException)
        {
            return Answer.Later($"{address.Shown} broke off its answer.");
        }
    }

    private Answer Of(HttpResponseMessage response)
    {
        int status = (int)response.StatusCode;
        if (response.IsSuccessStatusCode)
            return Answer.Taken;
        if (status is >= 300 and < 400)
            return Answer.Never($"{address.Shown} answers {status}, a redirect, which is not followed. Give the address to which it leads.");
        if (status >= 500 || response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout)
            return Answer.Later($"{address.Shown} answers {status}.") with { After = After(response.Headers.RetryAfter) };
        return Answer.Never($"{address.Shown} answers {status}: it does not take alerts. Look at the address.");
    }

    private TimeSpan? After(RetryConditionHeaderValue? asked) => asked?.Delta ?? (asked?.Date is { } date ? date - time.GetUtcNow() : null);

    // It answers 200 whatever it thinks of the message, and says so in the body.
    private async Task<Answer> FeishuAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        byte[] body = new byte[LargestAnswer];
        int read = 0;
        using (Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false))
            read = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        try
        {
            using JsonDocument document = JsonDocument.Parse(body.AsMemory(0, read));
            JsonElement json = document.RootElement;
            if (json.ValueKind == JsonValueKind.Object && (json.TryGetProperty("code", out JsonElement code) || json.TryGetProperty("StatusCode", out code)) && code.TryGetInt64(out long value))
            {
                return value == 0 ? Answer.Taken
                    : value == FeishuTooOften ? Answer.Later($"{address.Shown} says that messages come too often.")
                    : Answer.Never($"{address.Shown} refuses the message with code {value}. Look at the bot's settings: its keyword must be in the message, and a signature cannot be made.");
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // As below.
        }
        return Answer.Never($"{address.Shown} does not answer as Feishu does. Look at the address.");
    }

    private sealed record Answer(bool IsTaken, bool MayPass, string Problem)
    {
        public static readonly Answer Taken = new(true, false, "");

        public TimeSpan? After { get; init; }

        public static Answer Later(string problem) => new(false, true, problem);

        public static Answer Never(string problem) => new(false, false, problem);
    }
}
