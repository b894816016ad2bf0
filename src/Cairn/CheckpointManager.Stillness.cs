using Cairn.Ranks;
using Cairn.Telemetry;

namespace Cairn;

// Between two batches the state stands still: then, and only then, another thread may save it.
public sealed partial class CheckpointManager
{
    private readonly Lock _stillness = new();
    private bool _isStill, _savesForSignal;
    // Reports that the training thread has not heard yet.
    private readonly Queue<SaveReport> _savedForSignal = [];

    /// <summary>
    /// Says that no part of the state changes until the result is disposed, for example during an evaluation: a signal that comes in that time saves the end at once, on the thread of
    /// the signal, instead of after the evaluation, when the time to stop may be over. It has no effect when a batch is under way, and in a job of many ranks, whose ranks save together:
    /// there call <see cref="Poll"/> from time to time.
    /// </summary>
    /// <example><code>using (checkpoints.BetweenBatches())
    ///     train.Metrics["validation_loss"] = Evaluate(model);</code></example>
    public IDisposable BetweenBatches()
    {
        Enter();
        lock (_stillness)
            _isStill = _ranks.Size == 1 && _batch.IsAtBoundary;
        // One that came before this found nobody to save.
        if (_signalled)
            SaveForSignal();
        return new Stillness(this);
    }

    // Each call of the training thread ends the stillness, once a save that the signal began is over.
    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_stillness)
            _isStill = false;
        while (_savedForSignal.TryDequeue(out SaveReport? saved))
            Report(saved);
    }

    /// <summary>Tells the run to stop, as a signal does. From any thread.</summary>
    internal void Signal(string signal)
    {
        _ = Interlocked.CompareExchange(ref _signalAt, _time.GetTimestamp(), 0);
        _signalled = true;
        _logger.Signalled(signal);
        SaveForSignal();
    }

    private void SaveForSignal()
    {
        lock (_stillness)
        {
            if (!_isStill || _savedForSignal.Count > 0)
                return;
            _savesForSignal = true;
            try
            {
                Boundary boundary = Meet(Moment.Poll);
                if (boundary.Save is null)
                    return;
                _engine.WaitWhileAlive(LongestSilence);
                if (!_engine.IsBusy)
                    Save(boundary with { IsBusy = false }, background: false);
            }
            finally
            {
                _savesForSignal = false;
            }
        }
    }

    private sealed class Stillness(CheckpointManager owner) : IDisposable
    {
        public void Dispose()
        {
            if (!owner._disposed)
                owner.Enter();
        }
    }
}
