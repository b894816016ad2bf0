using System.Runtime.InteropServices;

namespace Cairn.Stopping;

/// <summary>SIGTERM and SIGINT as a wish to stop at the next batch boundary. A second SIGINT has its usual effect.</summary>
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
    }

    private void Handle(PosixSignalContext context)
    {
        if (context.Signal == PosixSignal.SIGINT && Interlocked.Increment(ref _interrupts) > 1)
            return;
        context.Cancel = true;
        _requested(context.Signal.ToString());
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }
}
