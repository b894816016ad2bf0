using System.Diagnostics;
using System.Net.Sockets;

namespace Cairn.Tests.Stores;

/// <summary>Puts what is no regular file at a path.</summary>
internal static class SpecialFile
{
    private static readonly List<Socket> Sockets = [];
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static void Pipe(string path)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix only");
        using Process process = Process.Start("mkfifo", [path]);
        process.WaitForExit();
        process.ExitCode.ShouldBe(0);
    }

    /// <summary>One of each kind that a test can make: <c>pipe</c>, <c>socket</c>, <c>device</c> (by a link), <c>folder</c>.</summary>
    public static void Make(string kind, string path)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix only");
        switch (kind)
        {
            case "pipe":
                Pipe(path);
                break;
            case "socket":
                // Kept open: the name goes with the socket.
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                Sockets.Add(socket);
                socket.Bind(new UnixDomainSocketEndPoint(path));
                break;
            case "device":
                File.CreateSymbolicLink(path, "/dev/zero");
                break;
            default:
                Directory.CreateDirectory(path);
                break;
        }
    }

    /// <summary>Runs what would wait for ever where a pipe is opened, and says so instead.</summary>
    public static T Ends<T>(Func<T> action)
    {
        Task<T> running = Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Task.WaitAny([running], Patience).ShouldBe(0, "it hangs");
        return running.GetAwaiter().GetResult();
    }

    /// <inheritdoc cref="Ends{T}"/>
    public static void Ends(Action action) => Ends(() =>
    {
        action();
        return true;
    });
}
