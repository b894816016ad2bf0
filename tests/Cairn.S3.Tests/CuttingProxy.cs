using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Cairn.S3.Tests;

/// <summary>A way to the gateway on which an answer gets lost: the request that has certain words is done, and its connection ends before the answer comes through.</summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Uri _target;
    private readonly byte[][] _words;
    private readonly Task _accepting;
    private int _cuts;

    /// <param name="target">Where it leads.</param>
    /// <param name="cuts">How many answers get lost.</param>
    /// <param name="words">What stands in the head of their requests.</param>
    public CuttingProxy(Uri target, int cuts, params string[] words)
    {
        (_target, _cuts, _words) = (target, cuts, [.. words.Select(Encoding.ASCII.GetBytes)]);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>How many answers are still to get lost.</summary>
    public int Left => Math.Max(0, Volatile.Read(ref _cuts));

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        await _accepting;
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(_end.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // It was stopped.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient())
        {
            try
            {
                await server.ConnectAsync(_target.Host, _target.Port, _end.Token);
                var connection = new Connection();
                await Task.WhenAny(
                    PumpAsync(client.GetStream(), server.GetStream(), bytes =>
                    {
                        connection.IsMeant |= _words.All(word => bytes.Span.IndexOf(word) >= 0);
                        return false;
                    }),
                    // "100 Continue" only asks for the content.
                    PumpAsync(server.GetStream(), client.GetStream(), bytes => connection.IsMeant && !bytes.Span.StartsWith("HTTP/1.1 100"u8) && Interlocked.Decrement(ref _cuts) >= 0));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or IOException)
            {
                // One side has gone.
            }
        }
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, Func<ReadOnlyMemory<byte>, bool> ends)
    {
        byte[] bytes = new byte[64 << 10];
        while (await from.ReadAsync(bytes, _end.Token) is > 0 and int read)
        {
            if (ends(bytes.AsMemory(0, read)))
                return;
            await to.WriteAsync(bytes.AsMemory(0, read), _end.Token);
        }
    }

    private sealed class Connection
    {
        public volatile bool IsMeant;
    }
}
