using System.Runtime.InteropServices;

namespace Cairn.Stores;

/// <summary>Calls of the C library about the pipe that this process writes to.</summary>
internal static partial class UnixPipes
{
    /// <summary>Whether the other end of a pipe has gone.</summary>
    public static bool IsBroken(int descriptor)
    {
        const int Error = 0x8, HangUp = 0x10;
        return (Poll(descriptor, 0, 0) & (Error | HangUp)) != 0;
    }

    /// <summary>Waits until a pipe takes more, or its other end has gone.</summary>
    public static void WaitForRoom(int descriptor)
    {
        const int Writable = 0x4, Forever = -1;
        Poll(descriptor, Writable, Forever);
    }

    // struct pollfd: the descriptor, what is asked for, what was found.
    private static unsafe int Poll(int descriptor, int events, int milliseconds)
    {
        int* request = stackalloc int[2];
        (request[0], request[1]) = (descriptor, events);
        return poll(request, 1, milliseconds) > 0 ? request[1] >> 16 : 0;
    }

#pragma warning disable IDE1006 // Names of the C library.
    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int poll(int* requests, nuint count, int milliseconds);
#pragma warning restore IDE1006
}
