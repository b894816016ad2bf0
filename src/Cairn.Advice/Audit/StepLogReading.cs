using System.Globalization;
using System.Text.RegularExpressions;
using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>Reads a log that prints some of the steps: batches and steps are one there, and a skipped update is not told.</summary>
/// <param name="log">What the trainer says.</param>
/// <param name="checkpointEvery">Steps between checkpoints, where that is known besides.</param>
internal sealed class StepLogReading(StepLog log, long? checkpointEvery) : LogReading
{
    private const string Unknown = "a copy that the log does not name";

    private readonly List<RunSession> _sessions = [];
    private readonly List<UnnamedSave> _unnamed = [];
    private RunConfiguration _configuration = new();
    private string? _from;
    private long? _begins, _perEpoch;
    private int? _rank;
    // Of the last process: what it printed first, how far apart, and whether a save is open or nothing came after it.
    private long _firstPrinted, _spacing;
    private bool _isSaving, _isSaveLast;
    // Of the first one.
    private long _usualFirst;
    private bool _isBeginningTold;

    public override void Take(LogMessage message)
    {
        // Every rank says it; the first that prints a step is enough. What any of them fails with ends all.
        if (message.Rank is not { } rank || _rank is null || rank == _rank)
            Tell(message);
        Fail(message);
    }

    public override RunHistory Finish()
    {
        if (_sessions is [.., var last])
            CloseSave(last, "the log ends before the save does");
        bool all = Name();
        return new RunHistory(log.Source, _configuration, _sessions, 0) { TellsSaves = log.Save is not null, NamesSaves = all };
    }

    private void Tell(LogMessage message)
    {
        string text = message.Text;
        if (log.Step.Match(text) is { Success: true } step)
            Train(message, step);
        else if (Match(log.Resume, text) is { } resumed)
            Resume(resumed);
        else if (Match(log.Start, text) is { } start)
            Start(message, (Whole(start, "step") ?? 1) - 1);
        else if (Match(log.Save, text) is { } save)
            BeginSave(message, save);
        else if (Match(log.Saved, text) is { } saved)
            EndSave(message, saved);
        else if (Match(log.End, text) is not null && _sessions is [.., var last])
            (last.End, last.Ended) = (SessionEnd.Finished, message.Time);
        else if (Match(log.Folder, text) is { } folder)
            _configuration = _configuration with { Folder = folder.Groups["path"].Value };
        if (Match(log.Total, text) is { } planned)
            _configuration = _configuration with { TotalSteps = Whole(planned, "total") };
    }

    private void Train(LogMessage message, Match match)
    {
        _rank ??= message.Rank;
        (long step, long? total) = (Whole(match, "step") ?? 0, Whole(match, "total"));
        if (Whole(match, "epoch") is { } epoch && total is { } each)
            (step, total, _perEpoch) = (((epoch - 1) * each) + step, null, each);
        if (total is not null)
            _configuration = _configuration with { TotalSteps = total };
        RunSession session = _sessions.Count == 0 || _begins is not null || _from is not null || step < _sessions[^1].LastStep || _sessions[^1].End == SessionEnd.Finished
            ? Begin(message, step) : _sessions[^1];
        Revive(session);
        if (_firstPrinted == 0)
            (_firstPrinted, _usualFirst) = (step, _sessions.Count == 1 ? step : _usualFirst);
        else if (_spacing == 0 && step > _firstPrinted)
            _spacing = step - _firstPrinted;
        // A log that begins in the middle prints a step that is farther from 0 than the next one from it.
        if (_sessions.Count == 1 && !_isBeginningTold && session.FirstStep == 0 && _spacing > 0 && _firstPrinted > Math.Max(1, _spacing))
            (session.FirstStep, session.FirstBatch) = (_firstPrinted - 1, _firstPrinted - 1);
        _isSaveLast = false;
        session.See(message.Time);
        session.Reach(step, step);
        for (int i = _unnamed.Count - 1; i >= 0 && _unnamed[i] is { Next: 0 } open; i--)
            _unnamed[i] = open with { Next = step };
    }

    // A process that says where it begins has begun, also when it prints no step.
    private void Start(LogMessage message, long before)
    {
        bool isSame = _sessions.Count > 0 && _firstPrinted == 0 && _sessions[^1].FirstStep == before && _sessions[^1].End == SessionEnd.Unknown;
        _begins = before;
        if (!isSame)
            _ = Begin(message, before + 1);
        _isBeginningTold |= _sessions.Count == 1;
        (_begins, _from) = (null, null);
    }

    private RunSession Begin(LogMessage message, long step)
    {
        RunSession? before = _sessions.LastOrDefault();
        if (before is not null)
            CloseSave(before, "the process ended before the save did");
        long first = _begins ?? 0;
        var session = new RunSession { ResumedFrom = _from };
        // It went on, and the log does not say from what; or it began anew, and prints the same steps.
        if (before is not null && _begins is null && _from is null && step > Math.Max(1, _usualFirst))
            (first, session.ResumedFrom) = (step - 1, Unknown);
        (session.FirstStep, session.LastStep, session.FirstBatch, session.LastBatch) = (first, first, first, first);
        session.LostSteps = Math.Max(0, (before?.LastStep ?? first) - first);
        session.See(message.Time);
        _sessions.Add(session);
        (_begins, _from, _firstPrinted, _spacing, _isSaveLast) = (null, null, 0, 0, false);
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
        long? named = Whole(match, "step") ?? Whole(match, "epochs") * _perEpoch;
        session.See(message.Time);
        // 'Saving the checkpoint' and 'Saving a full checkpoint at last step' are one save.
        if (!_isSaving)
        {
            session.Saves.Add(new RecordedSave { Step = session.LastStep, Kind = SaveKind.Checkpoint, Outcome = log.Saved is null ? SaveOutcome.Saved : SaveOutcome.Failed, Time = message.Time });
            if (named is null)
                _unnamed.Add(new UnnamedSave(session, session.Saves.Count - 1, session.LastStep, 0));
        }
        if (named is { } step)
        {
            session.Reach(step, step);
            session.Saves[^1] = session.Saves[^1] with { Step = step };
            _unnamed.RemoveAll(save => save.Session == session && save.Index == session.Saves.Count - 1);
        }
        (_isSaving, _isSaveLast) = (log.Saved is not null, true);
    }

    private void EndSave(LogMessage message, Match match)
    {
        if (!_isSaving || _sessions is not [.., { Saves: [.., var save] } session])
            return;
        var time = TimeSpan.FromSeconds(Math.Clamp(double.Parse(match.Groups["seconds"].Value, CultureInfo.InvariantCulture), 0, 1e9));
        session.Saves[^1] = save with { Outcome = SaveOutcome.Saved, Stall = time, Duration = time };
        session.See(message.Time);
        _isSaving = false;
    }

    private void CloseSave(RunSession session, string error)
    {
        if (_isSaving && session.Saves is [.., var save])
            session.Saves[^1] = save with { Error = error };
        _isSaving = false;
    }

    // Whether all saves have their steps then.
    private bool Name()
    {
        long? every = checkpointEvery ?? SaveNaming.Interval(_unnamed);
        if (every is { } found && checkpointEvery is null)
            _configuration = _configuration with { CheckpointEvery = found, Inferred = [.. _configuration.Inferred, "checkpoint_every"] };
        bool all = true;
        IReadOnlyList<long?> steps = every is > 0 ? SaveNaming.Steps(_unnamed, every.Value) : [.. _unnamed.Select(static _ => (long?)null)];
        foreach ((UnnamedSave save, long? step) in _unnamed.Zip(steps))
        {
            all &= step is not null;
            if (step is not { } known)
                continue;
            save.Session.Saves[save.Index] = save.Session.Saves[save.Index] with { Step = known };
            save.Session.Reach(known, known);
        }
        return all;
    }

    // A traceback stands behind the last message. Not each of them ends the process: then more steps follow.
    private void Fail(LogMessage message)
    {
        const string Traceback = "Traceback (most recent call last):";
        int at = message.Text.LastIndexOf(Traceback, StringComparison.Ordinal);
        if (at < 0 || _sessions is not [.., var session] || session.End == SessionEnd.Finished)
            return;
        const string Cause = "an exception ended the process while it was saving";
        CloseSave(session, Cause);
        // Of a trainer that does not say when a save has ended.
        if (_isSaveLast && session.Saves is [.., { Outcome: SaveOutcome.Saved } save] && log.Saved is null)
            session.Saves[^1] = save with { Outcome = SaveOutcome.Failed, Error = Cause };
        session.End = SessionEnd.Failed;
        // The first line behind it that is not indented says what it was.
        session.Error = message.Text[(at + Traceback.Length)..].Split('\n').Select(WithoutRank).FirstOrDefault(line => line.Length > 0 && line[0] != ' ')?.Trim().TrimEnd('.');
    }

    private void Revive(RunSession session)
    {
        if (session.End != SessionEnd.Failed)
            return;
        (session.End, session.Error) = (SessionEnd.Unknown, null);
        if (_isSaveLast && log.Saved is null && session.Saves is [.., { Outcome: SaveOutcome.Failed } save])
            session.Saves[^1] = save with { Outcome = SaveOutcome.Saved, Error = null };
    }

    // '[rank0]:   File "train.py"' is indented behind its rank, which some launchers write twice.
    private static string WithoutRank(string line)
    {
        while (line.StartsWith('[') && line.IndexOf("]:", StringComparison.Ordinal) is var end and > 0 and < 32)
            line = line[(end + 2)..] is [' ', .. var rest] ? rest : line[(end + 2)..];
        return line;
    }

    private static Match? Match(Regex? pattern, string text) => pattern?.Match(text) is { Success: true } match ? match : null;

    private static long? Whole(Match match, string group) =>
        match.Groups[group] is { Success: true } found && long.TryParse(found.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number < long.MaxValue / 1024 ? number : null;

    private static long? LastNumber(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path.TrimEnd('/'));
        int start = name.Length;
        while (start > 0 && char.IsAsciiDigit(name[start - 1]))
            start--;
        return long.TryParse(name.AsSpan(start), NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number < long.MaxValue / 1024 ? number : null;
    }
}
