using System.Runtime.ExceptionServices;
using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Starting;
using Cairn.Stopping;
using Cairn.Stores;
using Cairn.Telemetry;

namespace Cairn.Running;

/// <summary>The end of a run: in order, in the middle of a batch, or without a word. Belongs to the training thread.</summary>
internal sealed class RunEnding(
    StartedRun run, BatchDecisions decisions, RunSaver saver, RunDrain drain, SavedTiers tiers, BatchWatch batch, OperatorRequests? operators, BatchJournal journal, IRunFiles files, BestModel best, Action<SaveReport> ended)
{
    private readonly RankGroup _ranks = run.Ranks;
    private readonly TrainState _train = run.Train;
    private RunRecord _record = run.Record;
    private long _ignored, _nextReminder = 1;
    private bool _gaveUp;

    /// <summary>What the run did, once it was ended; <see langword="null"/> again when training goes on.</summary>
    public RunSummary? Summary { get; private set; }

    /// <summary>Why the end is not saved; <see langword="null"/> while that is not known, and when it is saved.</summary>
    public string? WhyNotSaved { get; private set; }

    /// <summary>Whether the run was ended, and nothing has happened since that would have to be saved.</summary>
    public bool IsOver => Summary is { } summary && (summary.EndNotSaved is not null || !batch.HasCounted);

    /// <summary>Training goes on, although the run was ended: what it makes is saved as before.</summary>
    public void Reopen()
    {
        if (Summary is null)
            return;
        best.CheckUntouched();
        run.Logger.TrainsOnAfterComplete(_train.Batch);
        (Summary, WhyNotSaved, _gaveUp) = (null, null, false);
    }

    /// <summary>Ends the run in order: its last step has a checkpoint afterwards.</summary>
    /// <exception cref="CheckpointException">The final checkpoint could not be saved; the newest copy before it stands.</exception>
    public RunSummary Complete()
    {
        if (IsOver)
            return Summary!;
        Reopen();
        if ((batch.WhyTorn() ?? WhyApart) is { } torn)
            return EndWithinBatch(torn);
        bool drawn = batch.HasDrawn;
        journal.Skips();
        ExceptionDispatchInfo? earlier = CollectedBeforeEnd();
        SaveReport? last = SaveEnd(out bool isHome);
        // What stood in the fast folder was damaged there, and the state is still here.
        if (last is not { IsComplete: false } && tiers.Checkpoint.LastStep != _train.Step && run.Fast is not null)
            last = SaveEnd(out isHome) ?? last;
        if (last is { IsComplete: false })
            throw new CheckpointException($"The final checkpoint of step {_train.Step} could not be saved: {last.Error?.Message} {(tiers.Newest > 0 ? $"The newest copy is of step {tiers.Newest}." : "There is no copy.")} Make room or repair the store and call Complete again.", last.Error) { Step = _train.Step, Path = run.Home.Files.Root };
        if (tiers.Checkpoint.LastStep == _train.Step && tiers.DurableCheckpoint != _train.Step)
            throw new CheckpointException($"The final checkpoint of step {_train.Step} stands in the fast folder {run.Fast!.Root}, and {run.Home.Files.Root} has not taken it: see the log. Call Complete again when it does; the next start on this machine brings it there too.") { Step = _train.Step, Path = run.Home.Files.Root };
        // Who was told to stop may be started again here, and then reads the quicker copy.
        if (isHome && !decisions.StopRequested)
            drain.Free();
        if (drawn && last is not null)
            run.Logger.DrawnInVain(_train.Batch);
        operators?.Settle(_train.Step, tiers.DurableCheckpoint);
        operators?.End(_train.Step, tiers.DurableCheckpoint);
        Record();
        RunSummary summary = Summarize();
        Summary = summary;
        batch.MarkBoundary();
        journal.Ended(wasStopped: decisions.StopRequested);
        if (_ranks.IsFirst && !decisions.StopRequested && run.Options is { Enabled: true, SaveBestMetric: { } metric } && best.Known is null)
            run.Logger.OptionWarning($"SaveBestMetric: '{metric}' was not set at any step that was saved, so no checkpoint is the best{(_train.Metrics.Count == 0 ? "" : $"; set were {string.Join(", ", _train.Metrics.Keys)}")}. Set TrainState.Metrics[\"{metric}\"] after CompleteStep and before AfterBatch.");
        // Who was told to stop trains on later.
        if (run.Options.LoadBestModelAtEnd && !decisions.StopRequested)
            LoadBest();
        run.Logger.Finished(Summary.ToString());
        earlier?.Throw();
        return Summary;
    }

    /// <summary>Puts the weights of the best checkpoint into the model. Only after the end.</summary>
    /// <exception cref="InvalidOperationException">The run was not ended: what the model holds may not be saved yet.</exception>
    /// <exception cref="CheckpointException">The copy is damaged or does not fit; the model holds what it held.</exception>
    public BestCheckpoint? LoadBest()
    {
        if (!IsOver)
            throw new InvalidOperationException("The best weights take the place of those of the last step, which must be saved before: call Complete first.");
        BestCheckpoint? loaded = best.Load();
        if (loaded is not null)
            Summary = Summary! with { Best = loaded, IsBestLoaded = true };
        return loaded;
    }

    /// <summary>Ends the run for a program that leaves without a word: its end is saved, unless the state may be half updated.</summary>
    /// <exception cref="CheckpointException">The end was to be saved here and could not be.</exception>
    public void EndWithoutWord()
    {
        if ((batch.WhyUnfinished() ?? WhyApart) is { } unfinished)
        {
            EndWithinBatch(unfinished);
        }
        else if (_train.Step > 0 && tiers.DurableCheckpoint != _train.Step && run.Options.Enabled)
        {
            bool isKnown = saver.HasThrown;
            try
            {
                Complete();
            }
            catch (RankOrderException e)
            {
                // The others are at another batch: this rank left the loop alone, and whatever made it do so must not be hidden behind this.
                run.Logger.EndedAlone(_train.Batch, e.Message);
                WhyNotSaved = e.Message;
                journal.Aborted();
            }
            catch (CheckpointException e)
            {
                // What is around it says that Complete may be called again, and it is too late for that.
                WhyNotSaved = e.InnerException?.Message ?? e.Message;
                journal.Aborted(WhyNotSaved);
                // Training was ended by a failed save, and the program has that error. This one stands in log and journal.
                if (!isKnown)
                    throw;
            }
        }
    }

    /// <summary>Training has ended within a batch. The others wait for this rank at the end of theirs, and must not wait long.</summary>
    public void GiveUp(string why)
    {
        batch.Abandon(why);
        if (_ranks.Size > 1 && !_gaveUp)
            _ranks.Fail(decisions.NameOf(DecisionPoint.Batch), $"its training ended after step {_train.Step}: {why}");
        _gaveUp = true;
    }

    /// <summary>Reminds who trains on after the end, after 1, 2, 4, 8… batches.</summary>
    /// <param name="ends">Whether training was to end at this batch.</param>
    public void Remind(bool ends)
    {
        // More is planned since, and the run ends anew.
        if (!ends)
            (_ignored, _nextReminder) = (0, 1);
        if (!ends || !decisions.EndSeen || ++_ignored < _nextReminder)
            return;
        _nextReminder *= 2;
        run.Logger.TrainsOn(Counted.Of(_ignored, "batch", "batches"), decisions.StopRequested ? "it was told to stop" : _train.FinishedBecause ?? MadeAll(_train));
    }

    /// <summary>
    /// Writes into the run's record that it has finished by its own decision, so that it is finished after a restart as well. The step may have had its checkpoint before that was decided.
    /// </summary>
    public void Record()
    {
        if (_train.FinishedBecause is not { } reason || !_ranks.IsFirst || !run.Options.Enabled || run.IsLost)
            return;
        var end = new RunEnd(_train.Step, _record.Lineage.Current.Id, reason, _train.TotalSteps);
        if (_record.Finished == end)
            return;
        try
        {
            _record = _record with { Finished = end };
            _record.Save(files);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            run.Logger.EndNotRecorded(e);
        }
    }

    /// <summary>That the planned steps are made, in words.</summary>
    private static string MadeAll(TrainState train) => $"its {Counted.Of(train.TotalSteps ?? train.Step, "step is", "steps are")} made";

    // What the other ranks did is not known any more: no end can be agreed on.
    private string? WhyApart => _ranks.WhyApart is { } why ? $"the ranks lost one another after batch {_train.Batch} ({why})" : null;

    // Null when nothing was to be saved.
    private SaveReport? SaveEnd(out bool isHome)
    {
        SaveReport? saved = saver.Save(drain.Decide(DecisionPoint.Completion), decisions.Channel, background: false);
        isHome = drain.Finish();
        return saved;
    }

    // What a listener throws, or FailOnError, is about an earlier save: the end is saved first.
    private ExceptionDispatchInfo? CollectedBeforeEnd()
    {
        try
        {
            saver.CollectUnderWay();
            return null;
        }
        catch (Exception e) when (e is not (RankTimeoutException or RankOrderException or RankFailedException))
        {
            return ExceptionDispatchInfo.Capture(e);
        }
    }

    private RunSummary EndWithinBatch(string why)
    {
        GiveUp(why);
        bool isSaved = tiers.Checkpoint.LastStep == _train.Step;
        string newest = isSaved ? $"the checkpoint of step {_train.Step} stands" : tiers.Newest is > 0 and long step ? $"the newest copy, of step {step}, stands" : "there is no copy";
        run.Logger.EndNotSaved(why, newest);
        operators?.End(_train.Step, tiers.DurableCheckpoint);
        journal.Aborted(why);
        RunSummary summary = Summarize() with { EndNotSaved = why };
        (Summary, WhyNotSaved) = (summary, why);
        if (!isSaved && run.Options.Enabled && _train.Step > 0)
        {
            ended(new SaveReport
            {
                Step = _train.Step,
                Kind = SaveKind.Checkpoint,
                Reason = SaveReason.Final,
                Outcome = SaveOutcome.Refused,
                Error = new UnfinishedBatchException(why) { Step = _train.Step, Path = run.Home.Files.Root },
            });
        }
        return summary;
    }

    private RunSummary Summarize() => new()
    {
        Steps = _train.Step,
        Batches = _train.Batch,
        TotalSteps = _train.TotalSteps,
        SkipsByReason = new Dictionary<string, long>(_train.SkipsByReason, StringComparer.Ordinal),
        FinalCheckpoint = tiers.DurableCheckpoint is { } step ? RunFolder.Checkpoint(step) : null,
        Saves = saver.Saves,
        Unsaved = saver.Unsaved,
        Dropped = saver.Dropped,
        Refused = saver.Refused,
        Stall = saver.Stall,
        Best = best.Known,
    };
}
