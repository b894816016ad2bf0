using System.Runtime.InteropServices;

namespace Cairn.Stopping;

/// <summary>
/// SIGTERM, SIGINT, SIGHUP (the terminal was closed) and SIGUSR1 (which schedulers send ahead of the end) as a wish to stop at the next batch boundary. A second SIGINT has its usual effect.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly Action<string> _requested;
    private int _interrupts;

    public StopSignals(Action<string> requested)
    {
        _requested = requested;
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle));
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle));
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, Handle));
        if (User1 is { } user)
            _registrations.Add(PosixSignalRegistration.Create(user, Handle));
    }

    /// <summary>SIGUSR1, where there is one. Numbers that .NET has no name for are taken as the system has them.</summary>
    public static PosixSignal? User1 => OperatingSystem.IsLinux() ? (PosixSignal)10 : OperatingSystem.IsMacOS() ? (PosixSignal)30 : null;

    /// <summary>As people call it.</summary>
    public static string NameOf(PosixSignal signal) => signal == User1 ? "SIGUSR1" : signal.ToString();

    private void Handle(PosixSignalContext context)
    {
        if (context.Signal == PosixSignal.SIGINT && Interlocked.Increment(ref _interrupts) > 1)
            return;
        context.Cancel = true;
        _requested(NameOf(context.Signal));
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }
}
