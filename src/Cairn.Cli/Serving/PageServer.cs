using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Cairn.Cli.Reporting.Page;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Cairn.Cli.Serving;

/// <summary>Serves the page of some runs, with news of them as they come.</summary>
internal sealed class PageServer(RunFollower follower, Access access, LivePage live, ListenAddress listen) : IAsyncDisposable
{
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    private readonly CancellationTokenSource _stopping = new();
    private WebApplication? _application;
    private RunActions? _actions;

    /// <summary>The port that is listened to.</summary>
    public int Port { get; private set; }

    /// <exception cref="CheckpointException">The address cannot be listened to.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // Empty: an appsettings.json where the command is called, or a variable of the environment, opens no other address.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Listen(listen.Address, listen.Port);
        });
        _application = builder.Build();
        _actions = new RunActions(follower, _stopping.Token);
        _application.Run(AnswerAsync);
        try
        {
            await _application.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            throw new CheckpointException($"{listen.Address}:{listen.Port} cannot be listened to ({e.Message}). Give another port: --listen localhost:0 takes one that is free.", e);
        }
        string address = _application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Port = new Uri(address).Port;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        if (_application is not null)
            await _application.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    // Ports share the cookies of a host.
    private string Cookie => $"cairn-{Port}";

    private async Task AnswerAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        string? inAddress = request.Query["token"];
        bool acts = request.Path == "/act";
        Header(context.Response);
        var asker = new Asker(request.Method, request.Headers.Host.ToString(), request.Headers.Origin, request.Headers["Sec-Fetch-Site"], inAddress ?? request.Cookies[Cookie], request.Headers["X-Cairn-Token"]);
        if (access.Refusal(asker, acts) is { } refusal)
        {
            await TextAsync(context, HttpStatusCode.Forbidden, refusal).ConfigureAwait(false);
            return;
        }
        switch (request.Path.Value)
        {
            case "/" when inAddress is not null:
                // Out of the address, and so out of the history and of what is shown to others.
                context.Response.Cookies.Append(Cookie, inAddress, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true });
                context.Response.Redirect("/");
                break;
            case "/":
                await HtmlAsync(context, await follower.PageAsync(context.RequestAborted).ConfigureAwait(false)).ConfigureAwait(false);
                break;
            case "/content":
                await HtmlAsync(context, follower.Content).ConfigureAwait(false);
                break;
            case "/events":
                await EventsAsync(context).ConfigureAwait(false);
                break;
            case "/act":
                string? why = _actions!.Begin(request.Query["action"].ToString(), int.TryParse(request.Query["run"], NumberStyles.None, CultureInfo.InvariantCulture, out int run) ? run : -1,
                    long.TryParse(request.Query["step"], NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : null);
                await TextAsync(context, why is null ? HttpStatusCode.Accepted : HttpStatusCode.Conflict, why ?? "asked for").ConfigureAwait(false);
                break;
            default:
                await TextAsync(context, HttpStatusCode.NotFound, "There is nothing here. The page is at /.").ConfigureAwait(false);
                break;
        }
    }

    private void Header(HttpResponse response)
    {
        response.Headers.ContentSecurityPolicy = $"{ReportPage.Policy(live)}; frame-ancestors 'none'";
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.CacheControl = "no-store";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    private async Task EventsAsync(HttpContext context)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopping.Token);
        context.Response.ContentType = "text/event-stream";
        (long seen, string heard) = (0, "");
        try
        {
            while (true)
            {
                Task<(long Version, string Said)> news = follower.WaitAsync(seen, heard, ended.Token);
                while (await Task.WhenAny(news, Task.Delay(Heartbeat, ended.Token)).ConfigureAwait(false) != news)
                    await WriteAsync(context, ": still here\n\n", ended.Token).ConfigureAwait(false);
                (long version, string said) = await news.ConfigureAwait(false);
                if (said != heard)
                    await WriteAsync(context, $"event: said\ndata: {said.ReplaceLineEndings(" ")}\n\n", ended.Token).ConfigureAwait(false);
                if (version != seen)
                    await WriteAsync(context, $"event: news\ndata: {version.ToString(CultureInfo.InvariantCulture)}\n\n", ended.Token).ConfigureAwait(false);
                (seen, heard) = (version, said);
            }
        }
        catch (OperationCanceledException)
        {
            // Whoever watched has gone, or the command ends.
        }
    }

    private static async Task WriteAsync(HttpContext context, string text, CancellationToken cancellationToken)
    {
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken).ConfigureAwait(false);
        await context.Response.Body.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private static Task HtmlAsync(HttpContext context, string html) => WholeAsync(context, "text/html; charset=utf-8", html);

    private static Task TextAsync(HttpContext context, HttpStatusCode status, string text)
    {
        context.Response.StatusCode = (int)status;
        return WholeAsync(context, "text/plain; charset=utf-8", text + "\n");
    }

    private static async Task WholeAsync(HttpContext context, string type, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        context.Response.ContentType = type;
        context.Response.ContentLength = bytes.Length;
        if (context.Request.Method != "HEAD")
            await context.Response.Body.WriteAsync(bytes, context.RequestAborted).ConfigureAwait(false);
    }
}
