using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Cairn.Tests.Alerts;

/// <summary>A web server of this process, which takes alerts as it is told: well, badly, late or never.</summary>
internal sealed class AlertServer : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly HttpListener _listener;
    private readonly Func<HttpListenerContext, int, Task> _answer;
    private readonly BlockingCollection<(string Path, string Body)> _received = [];
    private int _count;

    /// <param name="answer">Answers a request; the number says which one it is, from 1.</param>
    public AlertServer(Func<HttpListenerContext, int, Task> answer)
    {
        _answer = answer;
        (_listener, Address) = Listen();
        _ = Task.Run(ServeAsync);
    }

    /// <summary>Where it listens, with a secret in it.</summary>
    public string Address { get; }

    /// <summary>Requests so far.</summary>
    public int Count => Volatile.Read(ref _count);

    public static AlertServer Of(params int[] statuses) => new((context, number) => Status(context, statuses[Math.Min(number, statuses.Length) - 1]));

    public static Task Status(HttpListenerContext context, int status, string body = "ok")
    {
        context.Response.StatusCode = status;
        context.Response.OutputStream.Write(Encoding.UTF8.GetBytes(body));
        context.Response.Close();
        return Task.CompletedTask;
    }

    /// <summary>The next request; waits for it.</summary>
    public (string Path, string Body) Next()
    {
        _received.TryTake(out (string, string) request, Patience).ShouldBeTrue($"no alert within {Patience}");
        return request;
    }

    public void Dispose()
    {
        _listener.Abort();
        _received.Dispose();
    }

    private static (HttpListener Listener, string Address) Listen()
    {
        for (int tries = 0; ; tries++)
        {
            // A port that is free now; another program may take it before the listener does.
            var free = new TcpListener(IPAddress.Loopback, 0);
            free.Start();
            string root = $"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/";
            free.Stop();
            var listener = new HttpListener();
            listener.Prefixes.Add(root);
            try
            {
                listener.Start();
                return (listener, $"{root}secret-path?key=secret-key");
            }
            catch (HttpListenerException) when (tries < 20)
            {
                listener.Close();
            }
        }
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            using var reader = new StreamReader(context.Request.InputStream);
            string body = await reader.ReadToEndAsync();
            int number = Interlocked.Increment(ref _count);
            _ = _answer(context, number);
            try
            {
                _received.Add((context.Request.RawUrl!, body));
            }
            catch (ObjectDisposedException)
            {
                return;
            }
        }
    }
}
