using System.Runtime.InteropServices;

namespace Cairn.Mpi.Native;

/// <summary>
/// The process's signal handlers before MPI was loaded. UCX, which MPICH and Open MPI use for their messages, takes over
/// SIGSEGV and others to print a stack; but .NET makes null references into exceptions by that signal, and Cairn stops runs by
/// others. So what was there is put back.
/// </summary>
internal sealed unsafe partial class SignalHandlers
{
    // More than a struct sigaction takes anywhere.
    private const int Size = 512;
    private const int Hangup = 1, Interrupt = 2, Quit = 3, Illegal = 4, Trap = 5, Abort = 6, Bus = 7, FloatingPoint = 8, User1 = 10, Segmentation = 11, User2 = 12, Terminate = 15;
    private static readonly int[] Signals = [Hangup, Interrupt, Quit, Illegal, Trap, Abort, Bus, FloatingPoint, User1, Segmentation, User2, Terminate];
    private readonly byte[] _handlers = new byte[Signals.Length * Size];

    private SignalHandlers() { }

    /// <summary>The handlers of this moment.</summary>
    public static SignalHandlers Note()
    {
        var noted = new SignalHandlers();
        fixed (byte* handlers = noted._handlers)
        {
            for (int i = 0; i < Signals.Length; i++)
                _ = sigaction(Signals[i], null, handlers + i * Size);
        }
        return noted;
    }

    /// <summary>Makes them the process's handlers again.</summary>
    public void Restore()
    {
        fixed (byte* handlers = _handlers)
        {
            for (int i = 0; i < Signals.Length; i++)
                _ = sigaction(Signals[i], handlers + i * Size, null);
        }
    }

#pragma warning disable IDE1006, SYSLIB1054 // Names of the C library.
    [LibraryImport("libc")]
    private static partial int sigaction(int signal, byte* handler, byte* former);
#pragma warning restore IDE1006, SYSLIB1054
}
