using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A pin for as long as a copy is read: it is renewed meanwhile, and is over soon after a reader that died.</summary>
internal sealed class ReadingPin : IDisposable
{
    /// <summary>How long a reader that died keeps a copy.</summary>
    public static readonly TimeSpan TimeToLive = TimeSpan.FromMinutes(10);

    private readonly PinWriter _writer;
    private readonly Lock _gate = new();
    private readonly ITimer _renewal;
    private CheckpointPin? _pin;

    public ReadingPin(IRunFiles files, CatalogEntry entry, string why, TimeProvider time)
    {
        _writer = new PinWriter(files, time);
        _pin = _writer.Pin(entry, why, TimeToLive);
        _renewal = time.CreateTimer(_ => Renew(), null, TimeToLive / 3, TimeToLive / 3);
    }

    /// <summary>Pins a copy when a process may be training its run. Where nobody trains, nothing is removed behind a reader's back; where the run may not be written, a reader goes on without a pin.</summary>
    /// <returns>The pin; <see langword="null"/> for none.</returns>
    public static ReadingPin? TryTake(IFileSource files, CatalogEntry entry, string why, TimeProvider time)
    {
        try
        {
            return entry.Marker is null || RunLiveness.Of(files).IsAlive == false ? null
                : new ReadingPin(RunHome.Of(new CheckpointOptions { Folder = files.Root }).Files, entry, why, time);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException)
        {
            // Reading says by itself when the copy was replaced.
            return null;
        }
    }

    public void Dispose()
    {
        _renewal.Dispose();
        lock (_gate)
        {
            if (_pin is { } pin)
                Try(() => _writer.Release(pin));
            _pin = null;
        }
    }

    private void Renew()
    {
        lock (_gate)
        {
            if (_pin is { } pin)
                Try(() => _pin = _writer.Renew(pin, TimeToLive));
        }
    }

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its time is over soon.
        }
    }
}
