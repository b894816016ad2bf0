using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Cairn.Telemetry;

namespace Cairn.Tests.Telemetry;

/// <summary>What Cairn's meter says while this lives, of whatever test.</summary>
internal sealed class HeardMeters : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<(string Name, double Value, Dictionary<string, string?> Tags)> _found = [];

    public HeardMeters()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name != CairnTelemetry.SourceName)
                return;
            Instruments[instrument.Name] = instrument;
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    public ConcurrentDictionary<string, Instrument> Instruments { get; } = new(StringComparer.Ordinal);

    public IEnumerable<(double Value, Dictionary<string, string?> Tags)> Of(string name) => _found.Where(found => found.Name == name).Select(found => (found.Value, found.Tags));

    /// <summary>Asks the gauges now.</summary>
    public double? Ask(string gauge, string run)
    {
        _found.Clear();
        _listener.RecordObservableInstruments();
        return Of(gauge).Where(found => found.Tags["cairn.run"] == run).Select(found => (double?)found.Value).SingleOrDefault();
    }

    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var named = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach ((string name, object? tag) in tags)
            named[name] = tag?.ToString();
        _found.Enqueue((instrument.Name, value, named));
    }
}
