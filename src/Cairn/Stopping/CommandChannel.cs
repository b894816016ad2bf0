using System.Text;
using Cairn.Commit;
using Cairn.Journal;
using Cairn.Storage;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Stopping;

/// <summary>
/// Listens to the run's file <c>command</c> and answers in the journal. The file is taken away as soon as it was read, so that the next
/// command may follow; every command gets an answer, also when the run ends before its step. Belongs to the training thread.
/// </summary>
internal sealed class CommandChannel(IFileSystem files, RunJournal journal, TimeProvider time, ILogger logger)
{
    private const int LargestCommand = 4096;
    // On a slow store looking costs more than on a disk: whatever it costs, it is at most this share of the time.
    private const int TimesLooking = 50;
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(100);

    private readonly List<Pending> _pending = [];
    private long _lookedAt;
    private TimeSpan _pause = TimeSpan.Zero;

    /// <summary>Takes away what was left from before this process: a resumed run must not stop at once.</summary>
    public void DiscardLeftOver(long step)
    {
        if (Take(step) is { } left)
            Answer(left, "refused", step, problem: "it was there before the run started; ask again");
    }

    /// <summary>What is asked for at this step.</summary>
    /// <param name="step">Steps made.</param>
    /// <param name="canSave">Whether anything is saved at all.</param>
    public (bool Save, bool Stop) Due(long step, bool canSave)
    {
        Look(step, canSave);
        (bool save, bool stop) = (false, false);
        foreach (Pending pending in _pending)
        {
            if (pending.AskedAt is not null || pending.Command.Step > step)
                continue;
            pending.AskedAt = step;
            save |= pending.Command.Action == CommandAction.Save;
            stop |= pending.Command.Action == CommandAction.Stop;
        }
        return (save, stop);
    }

    /// <summary>Answers what the newest checkpoint fulfils.</summary>
    /// <param name="step">Steps made.</param>
    /// <param name="lastCheckpoint">The newest durable checkpoint.</param>
    /// <param name="canSave">Whether anything is saved at all.</param>
    public void Settle(long step, long? lastCheckpoint, bool canSave)
    {
        for (int i = _pending.Count - 1; i >= 0; i--)
        {
            if (_pending[i] is not { AskedAt: { } asked } pending)
                continue;
            // At step 0 a stop has nothing to save.
            bool needsNone = pending.Command.Action == CommandAction.Stop && (asked == 0 || !canSave);
            if (!needsNone && !(lastCheckpoint >= asked))
                continue;
            Answer(pending.Command, "done", step, checkpoint: needsNone ? null : lastCheckpoint);
            _pending.RemoveAt(i);
        }
    }

    /// <summary>Answers what a save was to fulfil that did not succeed.</summary>
    public void Fail(long step, SaveReport report)
    {
        foreach (Pending pending in _pending.Where(pending => pending.AskedAt == report.Step).ToArray())
        {
            Answer(pending.Command, "failed", step, problem: report.Error?.Message ?? report.Outcome.ToString());
            // A stop is tried again at the end of training.
            if (pending.Command.Action == CommandAction.Save)
                _pending.Remove(pending);
        }
    }

    /// <summary>Answers all that is left, for the run ends here: its last checkpoint may be what was asked for.</summary>
    public void End(long step, long? lastCheckpoint)
    {
        if (Take(step) is { } late)
            _pending.Add(new Pending(late));
        foreach (Pending pending in _pending)
        {
            bool isMade = lastCheckpoint == step && !(pending.Command.Step > step);
            Answer(pending.Command, isMade ? "done" : "ended", step, isMade ? lastCheckpoint : null, isMade ? null : "the run ended first");
        }
        _pending.Clear();
    }

    private void Look(long step, bool canSave)
    {
        if (_pause > TimeSpan.Zero && time.GetElapsedTime(_lookedAt) < _pause)
            return;
        long start = time.GetTimestamp();
        RunCommand? command = Take(step);
        _lookedAt = time.GetTimestamp();
        _pause = time.GetElapsedTime(start, _lookedAt) * TimesLooking;
        if (_pause < ShortestPause)
            _pause = ShortestPause;
        if (command is null)
            return;
        if (command.Action == CommandAction.Save && !canSave)
        {
            Answer(command, "refused", step, problem: "saving is switched off (Enabled)");
            return;
        }
        _pending.Add(new Pending(command));
        Answer(command, "accepted", step);
    }

    private RunCommand? Take(long step)
    {
        try
        {
            if (!files.FileExists(RunFolder.Command))
                return null;
            string text = Encoding.UTF8.GetString(RunFolder.ReadSmall(files, RunFolder.Command, LargestCommand));
            files.DeleteFile(RunFolder.Command);
            if (RunCommand.TryParse(text, out RunCommand? command, out string? problem))
                return command;
            logger.CommandProblem(problem!);
            journal.Write("command", json =>
            {
                json.WriteString("state", "refused");
                json.WriteNumber("step", step);
                json.WriteString("problem", problem);
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException)
        {
            // It may be half there, or nobody may take it away: then it stays, and training goes on.
            logger.CommandProblem(e.Message);
        }
        return null;
    }

    private void Answer(RunCommand command, string state, long step, long? checkpoint = null, string? problem = null)
    {
        string action = command.Action == CommandAction.Save ? "save" : "stop";
        logger.CommandAnswered(action, state, step, problem ?? "");
        journal.Write("command", json =>
        {
            if (command.Id.Length > 0)
                json.WriteString("id", command.Id);
            json.WriteString("action", action);
            json.WriteString("state", state);
            json.WriteNumber("step", step);
            if (command.Step is { } at)
                json.WriteNumber("at", at);
            if (checkpoint is { } saved)
                json.WriteNumber("checkpoint", saved);
            if (problem is not null)
                json.WriteString("problem", problem);
        });
    }

    private sealed record Pending(RunCommand Command)
    {
        /// <summary>The step at which the save was asked for.</summary>
        public long? AskedAt { get; set; }
    }
}
