using Cairn.Journal;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Stopping;

/// <summary>
/// Carries out what the run's file <c>command</c> asks for and answers in the journal. Every command gets an answer, also when the run ends before its step.
/// Belongs to the training thread.
/// </summary>
internal sealed class CommandChannel(OperatorWatch watch, RunJournal journal, ILogger logger)
{
    private readonly List<Pending> _pending = [];

    /// <summary>Takes away what was left from before this process: a resumed run must not stop at once.</summary>
    public void DiscardLeftOver(long step)
    {
        while (Next(step, asItIs: true) is { } left)
            Answer(left, "refused", step, problem: "it was there before the run started; ask again");
    }

    /// <summary>What is asked for at this step.</summary>
    /// <param name="step">Steps made.</param>
    /// <param name="canSave">Whether anything is saved at all.</param>
    public (bool Save, bool Stop) Due(long step, bool canSave)
    {
        while (Next(step) is { } command)
            Accept(command, step, canSave);
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
        while (Next(step, asItIs: true) is { } late)
            _pending.Add(new Pending(late));
        foreach (Pending pending in _pending)
        {
            bool isMade = lastCheckpoint == step && !(pending.Command.Step > step);
            Answer(pending.Command, isMade ? "done" : "ended", step, isMade ? lastCheckpoint : null, isMade ? null : "the run ended first");
        }
        _pending.Clear();
    }

    private void Accept(RunCommand command, long step, bool canSave)
    {
        if (command.Action == CommandAction.Save && !canSave)
        {
            Answer(command, "refused", step, problem: "saving is switched off (Enabled)");
            return;
        }
        _pending.Add(new Pending(command));
        Answer(command, "accepted", step);
    }

    // What cannot be understood is answered here.
    private RunCommand? Next(long step, bool asItIs = false)
    {
        while (watch.Next(asItIs) is { } text)
        {
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
