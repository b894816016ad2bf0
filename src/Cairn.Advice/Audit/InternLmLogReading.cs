using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>One pass over the messages of a run's logs.</summary>
internal sealed partial class InternLmLogReading : LogReading
{
    private static readonly TimeSpan OneStart = TimeSpan.FromMinutes(10);

    private readonly List<RunSession> _sessions = [];
    private RunConfiguration _configuration = new();
    private RecordedSave? _saving;
    private string? _pendingReason;
    private (long Step, long Batch, long Skipped)? _reloaded;
    private long? _foundStep;
    private DateTimeOffset? _unnamed;
    private long _skippedBefore, _skippedSeen, _listed;
    private bool _trained;
    private string? _launch;

    public override void Take(LogMessage message)
    {
        string text = message.Text;
        // By far the most lines are of this kind.
        if (TrainedBatch(text) is { } batch)
            Train(message, batch);
        else if (text.StartsWith("===========New Run", StringComparison.Ordinal))
            Begin(message, null);
        else if (ResumeLine().Match(text) is { Success: true } resume)
            Begin(message, resume.Groups["path"].Value);
        else if (text.StartsWith("reload train_state:", StringComparison.Ordinal))
            Reload(text);
        else if (FoundLine().Match(text) is { Success: true } found)
            _foundStep = Whole(found.Groups["step"].Value);
        else if (SavingLine().Match(text) is { Success: true } saving)
            BeginSave(message, saving);
        else if (SavedLine().Match(text) is { Success: true } saved)
            EndSave(message, Whole(saved.Groups["step"].Value), double.Parse(saved.Groups["seconds"].Value, CultureInfo.InvariantCulture));
        else if (SkipListLine().Match(text) is { Success: true } listed)
            Skip(message, Whole(listed.Groups["batch"].Value), "on the skip list");
        else if (SkipUpdateLine().Match(text) is { Success: true } skipped)
            Skip(message, Whole(skipped.Groups["batch"].Value), _pendingReason ?? TrainState.OverflowReason);
        else if (text.StartsWith("Overflow occurs", StringComparison.Ordinal))
            _pendingReason = TrainState.OverflowReason;
        else if (text.StartsWith("Nan grad norm occurs", StringComparison.Ordinal))
            SkipUnnamed(message);
        else if (text.StartsWith("Raise exception from", StringComparison.Ordinal))
            Fail(message);
        else
            Configure(text);
    }

    public override RunHistory Finish()
    {
        if (_saving is not null)
            CloseSave(SaveOutcome.Failed, null, "the log ends before the save does");
        List<long> snapshots = [.. _sessions.SelectMany(session => session.Saves).Where(save => save.Kind == SaveKind.Snapshot).Select(save => save.Step).Distinct().Order()];
        if (snapshots.Count > 0)
        {
            // The frequency is not in the log: what divides all of them.
            long every = snapshots.Aggregate(Gcd);
            _configuration = _configuration with { SnapshotEvery = every, Inferred = [.. _configuration.Inferred, "snapshot_every"] };
        }
        return new RunHistory(HistorySource.InternLm, _configuration, _sessions, 0);
    }

    private RunSession Session => _sessions.Count > 0 ? _sessions[^1] : Open(null, null);

    // Every rank of the old version says it, within the time of one start.
    private void Begin(LogMessage message, string? resumedFrom)
    {
        string launch = LaunchTime().Match(message.Text).Value;
        bool isSame = _sessions.Count > 0 && !_trained && message.Time - Session.Started < OneStart && (launch.Length == 0 || launch == _launch);
        if (isSame)
            return;
        _launch = launch;
        Open(message.Time, resumedFrom);
    }

    private RunSession Open(DateTimeOffset? time, string? resumedFrom)
    {
        if (_saving is not null)
            CloseSave(SaveOutcome.Failed, null, "the process ended before the save did");
        RunSession? before = _sessions.LastOrDefault();
        var session = new RunSession { ResumedFrom = resumedFrom };
        if (resumedFrom is not null)
        {
            long step = _reloaded?.Step ?? LastNumber(resumedFrom) ?? _foundStep ?? 0;
            (session.FirstStep, session.LastStep) = (step, step);
            session.FirstBatch = session.LastBatch = _reloaded?.Batch ?? step;
            session.LostSteps = Math.Max(0, (before?.LastStep ?? step) - step);
        }
        else if (before is not null && time is not null)
        {
            // A fresh start after steps were made: all of them are lost.
            session.LostSteps = before.LastStep;
        }
        (_skippedBefore, _skippedSeen, _listed) = (_reloaded?.Skipped ?? 0, _reloaded?.Skipped ?? 0, 0);
        session.See(time);
        _sessions.Add(session);
        (_reloaded, _foundStep, _trained, _pendingReason) = (null, null, false, null);
        return session;
    }

    private void Train(LogMessage message, long batch)
    {
        if (_saving is not null)
            CloseSave(SaveOutcome.Saved, null, null);
        RunSession session = Session;
        if (_trained && batch + 1 == session.LastBatch)
            return;
        if (_trained && batch + 1 < session.LastBatch)
            session = OpenUnannounced(message, batch);
        else if (!_trained && (session.FirstBatch == 0 || session.FirstBatch > batch))
            StartAt(session, batch, message.Text);
        long skipped = Skipped(message.Text) ?? _skippedSeen;
        // A skipped batch prints no line of its own; some versions do not even warn.
        long unseen = skipped - _skippedSeen;
        if (unseen > 0)
            session.Skips.Add(new SkippedBatch(batch, 0, _pendingReason ?? "skipped", unseen));
        (_skippedSeen, _trained, _pendingReason) = (Math.Max(skipped, _skippedSeen), true, null);
        session.See(message.Time);
        session.Reach(StepAfter(session, batch), batch + 1);
    }

    // The log begins in the middle, or its first lines are missing.
    private void StartAt(RunSession session, long batch, string text)
    {
        if (session.ResumedFrom is null && batch < 1)
            return;
        long skipped = Skipped(text) ?? 0;
        (session.FirstBatch, session.LastBatch) = (batch, batch);
        if (session.FirstStep == 0)
            (session.FirstStep, session.LastStep) = (batch - skipped, batch - skipped);
        (_skippedBefore, _skippedSeen) = (skipped, skipped);
    }

    private RunSession OpenUnannounced(LogMessage message, long batch)
    {
        RunSession before = Session;
        RunSession session = Open(message.Time, null);
        long skipped = Skipped(message.Text) ?? 0;
        (_skippedBefore, _skippedSeen) = (skipped, skipped);
        (session.FirstBatch, session.FirstStep) = (batch, Math.Max(0, batch - skipped));
        session.ResumedFrom = batch > 0 ? "a copy that the log does not name" : null;
        session.LostSteps = Math.Max(0, before.LastStep - session.FirstStep);
        return session;
    }

    private long StepAfter(RunSession session, long batch) =>
        session.FirstStep + (batch + 1 - session.FirstBatch) - (_skippedSeen - _skippedBefore) - _listed;

    // InternEvo says no more of such a batch. Where the line before the next one is missing, its number is told by the next.
    private void SkipUnnamed(LogMessage message)
    {
        const string reason = "nan gradients";
        bool isRepeated = message.Time == _unnamed;
        _unnamed = message.Time;
        if (_sessions.Count == 0)
            _pendingReason = reason;
        else if (!isRepeated)
            Skip(message, Session.LastBatch, reason);
    }

    private void Skip(LogMessage message, long batch, string reason)
    {
        RunSession session = Session;
        if (session.Skips.Any(skip => skip.Batch == batch + 1))
            return;
        bool isListed = reason == "on the skip list";
        _listed += isListed ? 1 : 0;
        _skippedSeen += isListed ? 0 : 1;
        if (!_trained && session.FirstBatch == 0 && batch > 0 && session.ResumedFrom is null)
            session.FirstBatch = batch;
        _trained = true;
        session.See(message.Time);
        session.Reach(StepAfter(session, batch), batch + 1);
        session.Skips.Add(new SkippedBatch(batch + 1, session.LastStep, reason));
        _pendingReason = null;
    }

    private void BeginSave(LogMessage message, Match saving)
    {
        long step = Whole(saving.Groups["step"].Value);
        string folder = saving.Groups["folder"].Value;
        if (_saving is { } before)
        {
            if (before.Step == step && before.Folder == folder)
                return;
            CloseSave(SaveOutcome.Saved, null, null);
        }
        Session.See(message.Time);
        Session.Reach(step, null);
        bool isSnapshot = folder.Replace('\\', '/').TrimEnd('/').Split('/') is [.., "snapshot", _];
        _saving = new RecordedSave { Step = step, Kind = isSnapshot ? SaveKind.Snapshot : SaveKind.Checkpoint, Outcome = SaveOutcome.Failed, Folder = folder, Time = message.Time };
    }

    private void EndSave(LogMessage message, long step, double seconds)
    {
        if (_saving?.Step != step)
            return;
        Session.See(message.Time);
        CloseSave(SaveOutcome.Saved, TimeSpan.FromSeconds(Math.Clamp(seconds, 0, 1e9)), null);
    }

    private void CloseSave(SaveOutcome outcome, TimeSpan? time, string? error)
    {
        Session.Saves.Add(_saving! with { Outcome = outcome, Stall = time ?? TimeSpan.Zero, Duration = time, Error = error });
        _saving = null;
    }

    private void Fail(LogMessage message)
    {
        if (_saving is not null)
            CloseSave(SaveOutcome.Failed, null, "an exception ended the process while it was saving");
        Session.See(message.Time);
        Session.End = SessionEnd.Failed;
        // Of a traceback the last line says what it was.
        Session.Error ??= message.Text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)[^1];
    }

    private void Reload(string text)
    {
        int brace = text.IndexOf('{', StringComparison.Ordinal), end = text.IndexOf('}', StringComparison.Ordinal);
        if (brace < 0 || end < brace)
            return;
        try
        {
            using JsonDocument document = JsonDocument.Parse(text.AsMemory(brace, end - brace + 1));
            JsonElement json = document.RootElement;
            long batch = json.GetProperty("batch_count").GetInt64();
            _reloaded = (json.TryGetProperty("step_count", out JsonElement step) ? step.GetInt64() : batch, batch,
                json.TryGetProperty("inf_nan_skip_batches", out JsonElement skipped) ? skipped.GetInt64() : 0);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            // Lines of another rank stand in the middle: the path still says the step.
        }
    }

    private void Configure(string text)
    {
        if (ConfigLine().Match(text) is not { Success: true } match)
            return;
        string value = match.Groups["value"].Value.Trim();
        _configuration = match.Groups["key"].Value switch
        {
            "is enable save ckpt" => _configuration with { Enabled = value == "True" },
            "save_ckpt_folder" => _configuration with { Folder = value == "None" ? null : value },
            "checkpoint_every" => _configuration with { CheckpointEvery = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long every) && every > 0 ? every : null },
            _ => _configuration,
        };
    }

    private static long? TrainedBatch(string text) =>
        !text.StartsWith("Validation", StringComparison.Ordinal) && LogLine.Value(text, "lr") is not null
        && long.TryParse(LogLine.Value(text, "step"), NumberStyles.None, CultureInfo.InvariantCulture, out long batch) ? batch : null;

    private static long? Skipped(string text) =>
        long.TryParse(LogLine.Value(text, "inf_nan_skip_batches"), NumberStyles.None, CultureInfo.InvariantCulture, out long skipped) ? skipped : null;

    private static long? LastNumber(string path) =>
        long.TryParse(path.TrimEnd('/').Split('/') is [.., not "snapshot", var name] ? name : null, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;

    private static long Whole(string digits) => long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : 0;

    private static long Gcd(long a, long b) => b == 0 ? a : Gcd(b, a % b);
}
