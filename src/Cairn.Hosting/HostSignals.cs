using System.Runtime.InteropServices;
using Cairn.Stopping;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Cairn.Hosting;

/// <summary>Signals that ask a training to stop and of which a host knows nothing: SIGHUP (the terminal was closed) and SIGUSR1 (which schedulers send ahead of the end). They stop the host, as SIGTERM and SIGINT do.</summary>
internal sealed class HostSignals : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;

    public HostSignals(IHostApplicationLifetime lifetime, ILogger logger)
    {
        PosixSignal[] signals = StopSignals.User1 is { } user ? [PosixSignal.SIGHUP, user] : [PosixSignal.SIGHUP];
        _registrations = [.. signals.Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            logger.StopsHostBySignal(StopSignals.NameOf(signal));
            lifetime.StopApplication();
        }))];
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }
}
