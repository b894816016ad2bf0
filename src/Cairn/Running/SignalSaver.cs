using Cairn.Saving;
using Cairn.Stopping;

namespace Cairn.Running;

/// <summary>
/// Saves the end on the thread of a signal, while the training thread is in long work that changes nothing of the state: between two batches, when it has said so, and in a run of
/// one rank. At any other time the training thread saves.
/// </summary>
internal sealed class SignalSaver(RunRequests requests, BatchDecisions decisions, RunSaver saver, RunDrain drain, WriterThread writer, BatchWatch batch, RunPatience patience, bool isAlone)
{
    private readonly Lock _gate = new();
    private bool _mayNotChange;
    // How many spans that were begun are not over: an evaluation may be part of a longer one.
    private int _spans;

    /// <summary>Nothing of the state changes from here on, until the result is disposed or training goes on.</summary>
    /// <param name="isDisposed">Whether the run is over, so that there is nothing more to do.</param>
    public IDisposable Begin(Func<bool> isDisposed)
    {
        _spans++;
        Allow();
        return new Span(this, isDisposed);
    }

    /// <summary>Lets signals save, if a span was begun and is not over.</summary>
    public void Allow()
    {
        lock (_gate)
            _mayNotChange = _spans > 0 && isAlone && batch.IsAtBoundary;
        // A signal that came before this found nobody to save.
        if (requests.Signalled)
            SaveNow();
    }

    /// <summary>The training thread goes on: no signal saves from here on. Waits for one that does.</summary>
    public void Forbid()
    {
        lock (_gate)
            _mayNotChange = false;
        saver.CollectDeferred();
    }

    /// <summary>Saves the end, if the state may not change now.</summary>
    public void SaveNow()
    {
        lock (_gate)
        {
            if (!_mayNotChange || saver.HasDeferred)
                return;
            saver.Deferred(() =>
            {
                BatchDecision decision = drain.Decide(DecisionPoint.Poll);
                if (decision.Save is null)
                    return;
                writer.WaitWhileAlive(patience.LongestSilence);
                if (!writer.IsBusy)
                    saver.Save(decision with { IsBusy = false }, decisions.Channel, background: false);
                drain.Finish();
            });
        }
    }

    private sealed class Span(SignalSaver owner, Func<bool> isDisposed) : IDisposable
    {
        private bool _isOver;

        public void Dispose()
        {
            if (_isOver || isDisposed())
                return;
            _isOver = true;
            owner.Forbid();
            owner._spans--;
            owner.Allow();
        }
    }
}
