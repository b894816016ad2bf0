using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Cairn.Alerts;

namespace Cairn.Tests.Alerts;

/// <summary>What a receiver may do to an alert, over the network of this machine.</summary>
public class WebhookSinkTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task An_alert_that_is_taken_is_sent_once()
    {
        using AlertServer server = AlertServer.Of(200);
        await SendAsync(server);
        server.Next().Path.ShouldBe("/secret-path?key=secret-key");
        server.Count.ShouldBe(1);
    }

    [Theory, InlineData(500), InlineData(503), InlineData(429), InlineData(408)]
    public async Task What_may_pass_is_tried_again(int status)
    {
        using AlertServer server = AlertServer.Of(status, status, 204);
        await SendAsync(server);
        server.Count.ShouldBe(3);
    }

    [Theory, InlineData(400), InlineData(404), InlineData(410), InlineData(302), InlineData(307)]
    public async Task What_will_not_pass_is_not_tried_again_and_the_message_has_no_secret(int status)
    {
        using AlertServer other = AlertServer.Of(200);
        using var server = new AlertServer((context, _) =>
        {
            context.Response.RedirectLocation = other.Address;
            return AlertServer.Status(context, status);
        });
        Exception error = await Should.ThrowAsync<HttpRequestException>(() => SendAsync(server));
        error.ToString().ShouldNotContain("secret");
        error.Message.ShouldContain($"http://127.0.0.1 answers {status}");
        (server.Count, other.Count).ShouldBe((1, 0));
    }

    [Fact]
    public async Task A_receiver_that_never_takes_it_is_given_up_after_some_tries()
    {
        using AlertServer server = AlertServer.Of(500);
        Exception error = await Should.ThrowAsync<HttpRequestException>(() => SendAsync(server));
        error.Message.ShouldContain($"tried {WebhookSink.Tries} times");
        server.Count.ShouldBe(WebhookSink.Tries);
    }

    [Theory, InlineData("40", 40), InlineData("0", 1), InlineData("86400", 300), InlineData("soon", 1)]
    public async Task The_pause_that_an_answer_asks_for_is_kept_within_bounds(string asked, int seconds)
    {
        using var server = new AlertServer((context, number) =>
        {
            context.Response.Headers["Retry-After"] = asked;
            return AlertServer.Status(context, number == 1 ? 429 : 200);
        });
        var time = new QuickTime();
        await Sink(server, time).SendAsync(SampleAlert.Of(), TestContext.Current.CancellationToken);
        time.Pauses.ShouldBe([TimeSpan.FromSeconds(seconds)]);
    }

    [Fact]
    public async Task The_pauses_grow()
    {
        using AlertServer server = AlertServer.Of(500);
        var time = new QuickTime();
        await Should.ThrowAsync<HttpRequestException>(() => Sink(server, time).SendAsync(SampleAlert.Of(), TestContext.Current.CancellationToken));
        time.Pauses.Select(pause => pause.TotalSeconds).ShouldBe([1, 2, 4, 8]);
    }

    [Fact]
    public async Task An_answer_that_does_not_come_is_not_waited_for_and_tried_again()
    {
        using var server = new AlertServer((context, number) => number == 1 ? Task.CompletedTask : AlertServer.Status(context, 200));
        await SendAsync(server, QuickTime.Late);
        server.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Where_nobody_listens_the_message_names_the_host_alone()
    {
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        // Bound, so that nobody else takes it, and not listening.
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        AlertAddress.TryParse($"http://127.0.0.1:{((IPEndPoint)closed.LocalEndPoint!).Port}/secret", out AlertAddress? nowhere).ShouldBeTrue();
        Exception error = await Should.ThrowAsync<HttpRequestException>(() => new WebhookSink(nowhere!, new QuickTime(), Patience).SendAsync(SampleAlert.Of(), CancellationToken.None));
        error.ToString().ShouldNotContain("secret");
        error.Message.ShouldContain("cannot be reached");
    }

    [Theory]
    [InlineData("""{"code":0,"msg":"success"}""", 1, null)]
    [InlineData("""{"StatusCode":0,"StatusMessage":"success"}""", 1, null)]
    [InlineData("""{"code":11232,"msg":"frequency limited"}""", WebhookSink.Tries, "too often")]
    [InlineData("""{"code":19024,"msg":"Key Words Not Found"}""", 1, "19024")]
    [InlineData("<html>welcome", 1, "does not answer as Feishu")]
    [InlineData("[]", 1, "does not answer as Feishu")]
    [InlineData("", 1, "does not answer as Feishu")]
    public async Task Feishu_answers_200_whatever_it_thinks_so_its_words_count(string body, int requests, string? problem)
    {
        using var server = new AlertServer((context, _) => AlertServer.Status(context, 200, body));
        Func<Task> send = () => SendAsync(server, form: "feishu:");
        if (problem is null)
            await send();
        else
            (await send.ShouldThrowAsync<HttpRequestException>()).Message.ShouldContain(problem);
        server.Count.ShouldBe(requests);
    }

    [Fact]
    public async Task An_endless_answer_of_Feishu_is_read_no_further_than_it_can_be_one()
    {
        using var server = new AlertServer(async (context, _) =>
        {
            byte[] garbage = new byte[8192];
            try
            {
                while (true)
                    await context.Response.OutputStream.WriteAsync(garbage);
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or IOException or InvalidOperationException)
            {
                // It has hung up.
            }
        });
        await Should.ThrowAsync<HttpRequestException>(() => SendAsync(server, form: "feishu:"));
        server.Count.ShouldBe(1);
    }

    private static async Task SendAsync(AlertServer server, TimeSpan? timeout = null, string form = "") =>
        await Sink(server, new QuickTime(), timeout, form).SendAsync(SampleAlert.Of(), TestContext.Current.CancellationToken).WaitAsync(Patience);

    private static WebhookSink Sink(AlertServer server, TimeProvider time, TimeSpan? timeout = null, string form = "")
    {
        AlertAddress.TryParse(form + server.Address, out AlertAddress? address).ShouldBeTrue();
        return new WebhookSink(address!, time, timeout ?? Patience);
    }

    // Pauses between two tries are over at once; waits for an answer are real.
    private sealed class QuickTime : TimeProvider
    {
        // A pause is a power of two.
        public static readonly TimeSpan Late = TimeSpan.FromSeconds(3);

        /// <summary>The pauses, in their order.</summary>
        public ConcurrentQueue<TimeSpan> Pauses { get; } = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            bool isReal = dueTime == Late || dueTime == Patience || dueTime < TimeSpan.Zero;
            if (!isReal)
                Pauses.Enqueue(dueTime);
            return base.CreateTimer(callback, state, isReal ? dueTime : TimeSpan.Zero, period);
        }
    }
}
