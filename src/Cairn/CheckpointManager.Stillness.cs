using Cairn.Ranks;
using Cairn.Telemetry;

namespace Cairn;

// Between two batches the state stands still: then, and only then, another thread may save it.
public sealed partial class CheckpointManager
{
    private readonly Lock _stillness = new();
    private bool _isStill, _savesForSignal;
    // How many results of BetweenBatches are not disposed: an evaluation may be part of a longer one.
    private int _stillnesses;
    // Reports that the training thread has not heard yet.
    private readonly Queue<SaveReport> _savedForSignal = [];

    /// <summary>
    /// Says that no part of the state changes until the result is disposed, for example during an evaluation: a signal that comes in that time saves the end at once, on the thread of
    /// the signal, instead of after the evaluation, when the time to stop may be over. It has no effect when a batch is under way, and in a job of many ranks, whose ranks save together:
    /// there call <see cref="Poll"/> from time to time.
    /// </summary>
    /// <example><code>double loss;
    /// using (checkpoints.BetweenBatches())
    ///     loss = Evaluate(model);
    /// train.Metrics["validation_loss"] = loss;</code></example>
    public IDisposable BetweenBatches()
    {
        Enter();
        _stillnesses++;
        StandStill();
        return new Stillness(this);
    }

    private void StandStill()
    {
        lock (_stillness)
            _isStill = _stillnesses > 0 && _ranks.Size == 1 && _batch.IsAtBoundary;
        // A signal that came before this found nobody to save.
        if (_signalled)
            SaveForSignal();
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
        private bool _isOver;

        public void Dispose()
        {
            if (_isOver || owner._disposed)
                return;
            _isOver = true;
            owner.Enter();
            owner._stillnesses--;
            owner.StandStill();
        }
    }
}
