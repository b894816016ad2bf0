using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Cairn.Telemetry;

/// <summary>What can be asked of a run at any time, from any thread: nothing here waits for training or for the store. Alive from its making to its disposal.</summary>
internal sealed class RunGauges : IDisposable
{
    private static readonly ConcurrentDictionary<RunGauges, KeyValuePair<string, object?>> Live = [];

    private readonly TimeProvider _time;
    private readonly FreeSpace _free;
    private readonly Func<int>? _backlog;
    private long _step, _durableStep, _durableSince, _lastBatch;
    private volatile bool _isOver;

    static RunGauges()
    {
        CairnTelemetry.Meter.CreateObservableGauge("cairn.durable.age", static () => Of<double>(run => run.DurableAge.TotalSeconds), "s", "Time since the newest copy became durable; before the first of this process, since its start.");
        CairnTelemetry.Meter.CreateObservableGauge("cairn.steps_at_risk", static () => Of<long>(run => run.StepsAtRisk), "{step}", "Steps that no durable copy has: what a loss of this machine would cost now.");
        CairnTelemetry.Meter.CreateObservableGauge("cairn.batch.age", static () => Of(run => run.BatchAge?.TotalSeconds), "s", "Time since a batch ended, or Poll was called; before the first, since the start. Not once the run has ended.");
        CairnTelemetry.Meter.CreateObservableGauge("cairn.store.free", static () => Of(run => run._free.Bytes), "By", "Free space where the run lives.");
        CairnTelemetry.Meter.CreateObservableGauge("cairn.drain.backlog", static () => Of<long>(run => run._backlog?.Invoke()), "{copy}", "Copies in the fast folder that are still to be brought to the run.");
    }

    /// <param name="run">The run's id.</param>
    /// <param name="time">The clock.</param>
    /// <param name="freeBytes">Asks the store for its free space; may hang.</param>
    /// <param name="backlog">Copies that are on their way from a fast folder; <see langword="null"/> without one.</param>
    public RunGauges(string run, TimeProvider time, Func<long?> freeBytes, Func<int>? backlog)
    {
        (_time, _backlog, _durableSince) = (time, backlog, time.GetTimestamp());
        _lastBatch = _durableSince;
        _free = new FreeSpace(freeBytes, time);
        Live[this] = new("cairn.run", run);
    }

    /// <summary>Time since a copy became durable, or since the start.</summary>
    public TimeSpan DurableAge => _time.GetElapsedTime(Volatile.Read(ref _durableSince));

    /// <summary>Time since training was last seen, or since the start; <see langword="null"/> once the run has ended.</summary>
    public TimeSpan? BatchAge => _isOver ? null : _time.GetElapsedTime(Volatile.Read(ref _lastBatch));

    /// <summary>Steps that no durable copy has.</summary>
    public long StepsAtRisk => Math.Max(0, Volatile.Read(ref _step) - Volatile.Read(ref _durableStep));

    /// <summary>The newest durable step.</summary>
    public long DurableStep => Volatile.Read(ref _durableStep);

    /// <summary>The steps that are made.</summary>
    public long Step => Volatile.Read(ref _step);

    /// <summary>Training was seen at this step. It may go on although the run was ended.</summary>
    public void At(long step)
    {
        Volatile.Write(ref _step, step);
        Volatile.Write(ref _lastBatch, _time.GetTimestamp());
        _isOver = false;
    }

    /// <summary>The run has ended: nobody waits for a batch any more.</summary>
    public void End() => _isOver = true;

    /// <summary>Says which durable copy a run begins with.</summary>
    public void Begin(long step, long durable)
    {
        At(step);
        Volatile.Write(ref _durableStep, durable);
    }

    /// <summary>A copy is durable.</summary>
    public void Durable(long step)
    {
        Volatile.Write(ref _durableStep, Math.Max(DurableStep, step));
        Volatile.Write(ref _durableSince, _time.GetTimestamp());
    }

    public void Dispose() => Live.TryRemove(this, out _);

    private static List<Measurement<T>> Of<T>(Func<RunGauges, T?> read) where T : struct
    {
        List<Measurement<T>> found = [];
        foreach ((RunGauges run, KeyValuePair<string, object?> attribute) in Live)
        {
            if (read(run) is { } value)
                found.Add(new Measurement<T>(value, attribute));
        }
        return found;
    }
}
