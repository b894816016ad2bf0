using System.Globalization;
using System.Text.RegularExpressions;
using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>Reads a log that prints some of the steps: batches and steps are one there, and a skipped update is not told.</summary>
internal sealed class StepLogReading(StepLog log) : LogReading
{
    private readonly List<RunSession> _sessions = [];
    // The last step that was printed before each save that names none, and the place of the save.
    private readonly List<(RunSession Session, int Save, long Printed, long Next)> _unnamed = [];
    private RunConfiguration _configuration = new();
    private DateTimeOffset? _saving;
    private string? _from;
    private long? _begins;
    private int? _rank;

    public override void Take(LogMessage message)
    {
        // Every rank says it; one of them is enough. What any of them fails with ends all.
        if (message.Rank is not { } rank || rank == (_rank ??= rank))
            Tell(message);
        Fail(message);
    }

    private void Tell(LogMessage message)
    {
        string text = message.Text;
        if (log.Step.Match(text) is { Success: true } step)
            Train(message, step);
        else if (Match(log.Resume, text) is { } resumed)
            Resume(resumed);
        else if (Match(log.Start, text) is { } start)
            (_begins, _configuration) = (Whole(start, "step") - 1, Planned(text));
        else if (Match(log.Save, text) is { } save)
            BeginSave(message, save);
        else if (Match(log.Saved, text) is { } saved)
            EndSave(message, saved);
        else if (Match(log.End, text) is not null && _sessions is [.., var last])
            (last.End, last.Ended) = (SessionEnd.Finished, message.Time);
        else if (Match(log.Folder, text) is { } folder)
            _configuration = _configuration with { Folder = folder.Groups["path"].Value };
        else
            _configuration = Planned(text);
    }

    public override RunHistory Finish()
    {
        if (_sessions is [.., var last])
            CloseSave(last, "the log ends before the save does");
        Name();
        return new RunHistory(log.Source, _configuration, _sessions, 0) { TellsSaves = log.Save is not null };
    }

    private void Train(LogMessage message, Match match)
    {
        (long step, long? total) = (Whole(match, "step") ?? 0, Whole(match, "total"));
        if (Whole(match, "epoch") is { } epoch && total is { } each)
            (step, total) = (((epoch - 1) * each) + step, null);
        if (total is not null)
            _configuration = _configuration with { TotalSteps = total };
        bool isNew = _sessions.Count == 0 || _begins is not null || _from is not null || step < _sessions[^1].LastStep || _sessions[^1].End is SessionEnd.Finished or SessionEnd.Failed;
        RunSession session = isNew ? Begin(message, step) : _sessions[^1];
        session.See(message.Time);
        session.Reach(step, step);
        for (int i = _unnamed.Count - 1; i >= 0 && _unnamed[i] is { Next: 0 } open; i--)
            _unnamed[i] = open with { Next = step };
    }

    private RunSession Begin(LogMessage message, long step)
    {
        RunSession? before = _sessions.LastOrDefault();
        if (before is not null)
            CloseSave(before, "the process ended before the save did");
        long first = _begins ?? 0;
        var session = new RunSession { ResumedFrom = _from };
        if (before is not null && _from is null && first == 0 && step > 1)
        {
            // It went on, and the log does not say from what.
            first = step - 1;
            session.ResumedFrom = "a copy that the log does not name";
        }
        (session.FirstStep, session.LastStep, session.FirstBatch, session.LastBatch) = (first, first, first, first);
        session.LostSteps = Math.Max(0, (before?.LastStep ?? first) - first);
        session.See(message.Time);
        _sessions.Add(session);
        (_begins, _from) = (null, null);
        return session;
    }

    private void Resume(Match match)
    {
        string path = match.Groups["path"].Value;
        _begins = Whole(match, "step") ?? LastNumber(path) ?? _begins;
        _from = path.Length > 0 ? path : _from ?? $"step {_begins?.ToString(CultureInfo.InvariantCulture)}";
    }

    private void BeginSave(LogMessage message, Match match)
    {
        if (_sessions is not [.., var session])
            return;
        long? named = Whole(match, "step");
        session.See(message.Time);
        // 'Saving the checkpoint' and 'Saving a full checkpoint at last step' are one save.
        if (_saving is null)
        {
            session.Saves.Add(new RecordedSave { Step = session.LastStep, Kind = SaveKind.Checkpoint, Outcome = log.Saved is null ? SaveOutcome.Saved : SaveOutcome.Failed, Time = message.Time });
            if (named is null)
                _unnamed.Add((session, session.Saves.Count - 1, session.LastStep, 0));
        }
        if (named is { } step)
        {
            session.Reach(step, step);
            session.Saves[^1] = session.Saves[^1] with { Step = step };
            _unnamed.RemoveAll(save => save.Session == session && save.Save == session.Saves.Count - 1);
        }
        _saving = log.Saved is null ? null : message.Time;
    }

    private void EndSave(LogMessage message, Match match)
    {
        if (_saving is null || _sessions is not [.., { Saves: [.., var save] } session])
            return;
        var time = TimeSpan.FromSeconds(Math.Clamp(double.Parse(match.Groups["seconds"].Value, CultureInfo.InvariantCulture), 0, 1e9));
        session.Saves[^1] = save with { Outcome = SaveOutcome.Saved, Stall = time, Duration = time };
        session.See(message.Time);
        _saving = null;
    }

    private void CloseSave(RunSession session, string error)
    {
        if (_saving is not null && session.Saves is [.., var save])
            session.Saves[^1] = save with { Error = error };
        _saving = null;
    }

    // Where not every step is printed, the k-th save since the beginning is k times an interval that fits between the printed steps, and of those that fit the roundest is meant.
    private void Name()
    {
        (RunSession Session, int Save, long Printed, long Next)[] saves = [.. _unnamed.Where(save => save.Session == _sessions[0])];
        if (saves.Length == 0 || _sessions[0].FirstStep != 0)
            return;
        long[] fitting = [.. Fitting(saves)];
        if (fitting.Length == 0)
            return;
        long every = fitting.MaxBy(Roundness);
        _configuration = _configuration with { CheckpointEvery = every, Inferred = [.. _configuration.Inferred, "checkpoint_every"] };
        foreach ((RunSession session, int save, long printed, long next) in _unnamed)
        {
            long step = printed % every == 0 ? printed : (printed / every + 1) * every;
            if (step > printed && (next == 0 || step >= next))
                continue;
            session.Saves[save] = session.Saves[save] with { Step = step };
            session.Reach(step, step);
        }
    }

    private static IEnumerable<long> Fitting((RunSession Session, int Save, long Printed, long Next)[] saves)
    {
        (_, _, long least, long next) = saves[0];
        long most = next == 0 ? least : next - 1;
        for (long every = Math.Max(1, least); every <= most; every++)
        {
            if (saves.Select((save, i) => (Step: every * (i + 1), save)).All(at => at.Step >= at.save.Printed && (at.save.Next == 0 ? at.Step == at.save.Printed : at.Step < at.save.Next)))
                yield return every;
        }
    }

    private static int Roundness(long number)
    {
        int round = 0;
        for (; number > 0 && number % 5 == 0; number /= 5)
            round += 2;
        for (; number > 0 && number % 2 == 0; number /= 2)
            round++;
        return round;
    }

    // A traceback stands behind the last message.
    private void Fail(LogMessage message)
    {
        int at = message.Text.IndexOf("Traceback (most recent call last):", StringComparison.Ordinal);
        if (at < 0 || _sessions is not [.., var session] || session.End != SessionEnd.Unknown)
            return;
        if (_saving is not null)
            CloseSave(session, "an exception ended the process while it was saving");
        session.End = SessionEnd.Failed;
        // The first line behind it that is not indented says what it was.
        session.Error = message.Text[at..].Split('\n').Skip(1).Select(WithoutRank).FirstOrDefault(line => line.Length > 0 && line[0] != ' ')?.Trim();
    }

    // '[rank0]:   File "train.py"' is indented behind its rank.
    private static string WithoutRank(string line) => line.IndexOf("]: ", StringComparison.Ordinal) is var end and >= 0 and < 16 ? line[(end + 3)..] : line;

    private RunConfiguration Planned(string text) => Match(log.Total, text) is { } planned ? _configuration with { TotalSteps = Whole(planned, "total") } : _configuration;

    private static Match? Match(Regex? pattern, string text) => pattern?.Match(text) is { Success: true } match ? match : null;

    private static long? Whole(Match match, string group) =>
        match.Groups[group] is { Success: true } found && long.TryParse(found.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;

    private static long? LastNumber(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path.TrimEnd('/'));
        int start = name.Length;
        while (start > 0 && char.IsAsciiDigit(name[start - 1]))
            start--;
        return long.TryParse(name.AsSpan(start), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;
    }
}
