using System.Runtime.ExceptionServices;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Telemetry;

namespace Cairn;

// The end of a run: in order, in the middle of a batch, or without a word.
public sealed partial class CheckpointManager
{
    /// <summary>
    /// Ends the run: waits for the save under way, makes sure that the last step has a checkpoint, whatever was counted, and says what the run did.
    /// A second call does nothing, unless batches were counted since. May stand in a <c>finally</c>: when a batch was begun and not counted, the state may be half updated; then it is not saved, nothing is thrown, and
    /// <see cref="RunSummary.EndNotSaved"/>, the log and <see cref="SaveEnded"/> (with <see cref="SaveOutcome.Refused"/>) say so.
    /// </summary>
    /// <exception cref="CheckpointException">The final checkpoint could not be saved; the newest copy before it stands.</exception>
    public RunSummary Complete()
    {
        Enter();
        if (_summary is not null)
        {
            if (_summary.EndNotSaved is not null || !_batch.HasCounted)
                return _summary;
            GoOn();
        }
        if ((_batch.WhyTorn() ?? WhyApart) is { } torn)
            return EndWithinBatch(torn);
        bool drawn = _batch.HasDrawn;
        JournalSkips();
        ExceptionDispatchInfo? earlier = CollectedBeforeEnd();
        SaveReport? last = Save(Meet(Moment.Completion), background: false);
        if (last is { Outcome: not SaveOutcome.Saved })
            throw new CheckpointException($"The final checkpoint of step {Train.Step} could not be saved: {last.Error?.Message} The newest copy is of step {Newest()}. Make room or repair the store and call Complete again.", last.Error) { Step = Train.Step, Path = _files.Root };
        if (drawn && last is not null)
            _logger.DrawnInVain(Train.Batch);
        _commands?.Settle(Train.Step, LastCheckpoint, _options.Enabled);
        _commands?.End(Train.Step, LastCheckpoint);
        RecordEnd();
        _summary = Summarize();
        _batch.Boundary();
        _journal.WriteProgress(Train, now: true);
        _journal.Write(StopRequested ? "stopped" : "finished", json =>
        {
            json.WriteNumber("step", Train.Step);
            json.WriteNumber("batch", Train.Batch);
            json.WriteNumber("skipped", Train.SkippedBatches);
            if (Train.TotalSteps is { } total)
                json.WriteNumber("total_steps", total);
        });
        _logger.Finished(_summary.ToString());
        earlier?.Throw();
        return _summary;
    }

    // What a listener of SaveEnded throws, or FailOnError, is about an earlier save: the end is saved first.
    private ExceptionDispatchInfo? CollectedBeforeEnd()
    {
        try
        {
            CollectUnderWay();
            return null;
        }
        catch (Exception e) when (e is not (RankTimeoutException or RankOrderException or RankFailedException))
        {
            return ExceptionDispatchInfo.Capture(e);
        }
    }

    /// <summary>
    /// Waits for the save under way and lets go of the run. When <see cref="Complete"/> was not called, the end is saved here, unless a batch was begun or counted since the last
    /// <see cref="AfterBatch"/>: the state may then be half updated. Exceptions that were handled, anywhere in the process, change nothing.
    /// </summary>
    /// <exception cref="CheckpointException">The end was to be saved here and could not be.</exception>
    public ValueTask DisposeAsync()
    {
        if (_disposed)
            return ValueTask.CompletedTask;
        try
        {
            End();
        }
        finally
        {
            _disposed = true;
            AppDomain.CurrentDomain.ProcessExit -= WaitAtExit;
            _signals?.Dispose();
            _watch?.Dispose();
            _engine.Dispose();
            _lock?.Dispose();
            _patient.Dispose();
        }
        return ValueTask.CompletedTask;
    }

    // A listener that throws keeps neither the end from being saved nor the save under way from being waited for.
    private void End()
    {
        try
        {
            Enter();
        }
        finally
        {
            try
            {
                if (_summary is null || (_summary.EndNotSaved is null && _batch.HasCounted))
                    EndWithoutWord();
            }
            finally
            {
                WaitAtExit(null, EventArgs.Empty);
                Report(_engine.Collect());
            }
        }
    }

    // What the other ranks did is not known any more: no end can be agreed on.
    private string? WhyApart => _ranks.WhyApart is { } why ? $"the ranks lost one another after batch {Train.Batch} ({why})" : null;

    private void EndWithoutWord()
    {
        if ((_batch.WhyUnfinished() ?? WhyApart) is { } unfinished)
        {
            EndWithinBatch(unfinished);
        }
        else if (Train.Step > 0 && LastCheckpoint != Train.Step && _options.Enabled)
        {
            bool isKnown = _failureThrown;
            try
            {
                Complete();
            }
            catch (RankOrderException e)
            {
                // The others are at another batch: this rank left the loop alone, and whatever made it do so must not be hidden behind this.
                _logger.EndedAlone(Train.Batch, e.Message);
                WriteAborted();
            }
            catch (CheckpointException) when (isKnown)
            {
                // Training was ended by a failed save, and the program has that error. This one stands in log and journal.
                WriteAborted();
            }
        }
    }

    // Complete was called, and training goes on all the same: what it makes is saved as before.
    private void GoOn()
    {
        _logger.TrainsOnAfterComplete(Train.Batch);
        (_summary, _gaveUp) = (null, false);
    }

    // Whoever does not listen is told after 1, 2, 4, 8… batches.
    private void RemindOfEnd(bool ends)
    {
        // More is planned since, and the run ends anew.
        if (!ends)
            (_ignored, _nextReminder) = (0, 1);
        if (!ends || !_endSeen || ++_ignored < _nextReminder)
            return;
        _nextReminder *= 2;
        _logger.TrainsOn(_ignored, StopRequested ? "it was told to stop" : Train.FinishedBecause ?? $"its {Train.TotalSteps} steps are made");
    }

    // A run that has finished by its own decision is finished after a restart as well. The step may have had its checkpoint before that was decided, so it stands in the run's record.
    private void RecordEnd()
    {
        if (Train.FinishedBecause is not { } reason || !_ranks.IsFirst || !_options.Enabled || _lock is { IsLost: true })
            return;
        var end = new RunEnd(Train.Step, _run.Lineage.Current.Id, reason, Train.TotalSteps);
        if (_run.Finished == end)
            return;
        try
        {
            _run = _run with { Finished = end };
            _run.Save(_patient);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _logger.EndNotRecorded(e);
        }
    }

    // The others wait for this rank at the next boundary, and must not wait long.
    private void GiveUp(string why)
    {
        _batch.Abandon(why);
        if (_ranks.Size > 1 && !_gaveUp)
            _ranks.Fail(NameOf(Moment.Batch), $"its training ended after step {Train.Step}: {why}");
        _gaveUp = true;
    }

    private RunSummary EndWithinBatch(string why)
    {
        GiveUp(why);
        bool isSaved = LastCheckpoint == Train.Step;
        string newest = isSaved ? $"the checkpoint of step {Train.Step} stands" : Newest() is > 0 and long step ? $"the newest copy, of step {step}, stands" : "there is no copy";
        _logger.EndNotSaved(why, newest);
        _commands?.End(Train.Step, LastCheckpoint);
        WriteAborted(why);
        _summary = Summarize() with { EndNotSaved = why };
        if (!isSaved && _options.Enabled && Train.Step > 0)
        {
            SaveEnded?.Invoke(this, new SaveReport
            {
                Step = Train.Step,
                Kind = SaveKind.Checkpoint,
                Reason = SaveReason.Final,
                Outcome = SaveOutcome.Refused,
                Error = new UnfinishedBatchException(why) { Step = Train.Step, Path = _files.Root },
            });
        }
        return _summary;
    }

    private void WriteAborted(string? why = null) => _journal.Write("aborted", json =>
    {
        json.WriteNumber("step", Train.Step);
        json.WriteNumber("batch", Train.Batch);
        if (why is not null)
            json.WriteString("why", why);
    });

    private RunSummary Summarize() => new()
    {
        Steps = Train.Step,
        Batches = Train.Batch,
        TotalSteps = Train.TotalSteps,
        SkipsByReason = new Dictionary<string, long>(Train.SkipsByReason, StringComparer.Ordinal),
        FinalCheckpoint = LastCheckpoint is { } step ? RunFolder.Checkpoint(step) : null,
        Saves = _saves,
        Unsaved = _unsaved,
        Stall = _stall,
    };
}
