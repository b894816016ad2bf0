using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Cairn.S3.Tests;

/// <summary>
/// A way to the gateway on which things go wrong. Answers get lost: the request that has certain words is done, and its connection ends before the answer comes through. Or something happens in
/// the middle of a request: the way is cut, say, or what is at its end is killed.
/// </summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private const int LargestHead = 16 << 10;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentDictionary<TcpClient, bool> _open = [];
    private readonly Uri _target;
    private readonly byte[][] _words;
    private readonly Task _accepting;
    private Func<Task> _happening = static () => Task.CompletedTask;
    private TaskCompletionSource _unserved = new();
    private int _cuts, _pieces, _unservedLeft, _alterations;
    private volatile bool _isCut;

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

    /// <summary>Lets so many more pieces of requests through, of at most 64 KiB each, and before the next one something happens.</summary>
    public void Before(int pieces, Func<Task> happening)
    {
        _happening = happening;
        Volatile.Write(ref _pieces, pieces + 1);
    }

    /// <summary>Alters a byte of content on its way to the service, in so many requests.</summary>
    public void Alter(int requests) => Volatile.Write(ref _alterations, requests);

    /// <summary>In how many requests a byte is still to be altered.</summary>
    public int LeftToAlter => Math.Max(0, Volatile.Read(ref _alterations));

    /// <summary>Ends all connections, and each new one.</summary>
    public void Cut()
    {
        _isCut = true;
        foreach (TcpClient client in _open.Keys)
            client.Close();
    }

    /// <summary>Lets connections through again.</summary>
    public void Mend() => _isCut = false;

    /// <summary>Ends when so many new connections have come from now on that led nowhere: the way is cut, or nobody is at its end. One at a time may be waited for.</summary>
    public Task WhenUnserved(int connections)
    {
        _unserved = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _unservedLeft, connections);
        return _unserved.Task;
    }

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
            _open[client] = true;
            client.NoDelay = server.NoDelay = true;
            try
            {
                if (!await TryReachAsync(server))
                    return;
                var connection = new Connection();
                await Task.WhenAny(
                    PumpAsync(client.GetStream(), server.GetStream(), async bytes =>
                    {
                        // Larger than any head of a request.
                        if (bytes.Length > LargestHead && LeftToAlter > 0 && Interlocked.Decrement(ref _alterations) >= 0)
                            bytes.Span[^1] ^= 1;
                        connection.IsMeant |= _words.All(word => bytes.Span.IndexOf(word) >= 0);
                        if (Interlocked.Decrement(ref _pieces) == 0)
                            await _happening();
                        return false;
                    }),
                    // "100 Continue" only asks for the content.
                    PumpAsync(server.GetStream(), client.GetStream(), bytes => Task.FromResult(connection.IsMeant && !((ReadOnlySpan<byte>)bytes.Span).StartsWith("HTTP/1.1 100"u8) && Interlocked.Decrement(ref _cuts) >= 0)));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or IOException or ObjectDisposedException or InvalidOperationException)
            {
                // One side has gone.
            }
            finally
            {
                _open.TryRemove(client, out _);
            }
        }
    }

    private async Task<bool> TryReachAsync(TcpClient server)
    {
        try
        {
            if (!_isCut)
            {
                await server.ConnectAsync(_target.Host, _target.Port, _end.Token);
                return true;
            }
        }
        catch (SocketException)
        {
            // Nobody is there.
        }
        if (Interlocked.Decrement(ref _unservedLeft) == 0)
            _unserved.SetResult();
        return false;
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, Func<Memory<byte>, Task<bool>> ends)
    {
        byte[] bytes = new byte[64 << 10];
        while (await from.ReadAsync(bytes, _end.Token) is > 0 and int read)
        {
            if (await ends(bytes.AsMemory(0, read)))
                return;
            await to.WriteAsync(bytes.AsMemory(0, read), _end.Token);
        }
    }

    private sealed class Connection
    {
        public volatile bool IsMeant;
    }
}
