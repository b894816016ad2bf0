using System.Text.Json;
using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>Reads a journal line by line, as it grows. What it has read stays: of a line that comes, no earlier one is read again.</summary>
internal sealed class JournalReading
{
    private const long MostCounted = 1L << 53;

    private readonly List<string> _passedOver = [];
    private readonly List<RunSession> _sessions = [];
    private RunConfiguration _configuration = new();
    private bool _branched;
    private int _unreadable;

    /// <summary>What the lines say so far. Its processes are those of the next call too, and grow with it.</summary>
    public RunHistory History => new(HistorySource.Cairn, _configuration, _sessions, _unreadable);

    /// <summary>Takes in a line. One that cannot be understood is counted.</summary>
    public void Take(string line)
    {
        if (!string.IsNullOrWhiteSpace(line) && !TryTake(line))
            _unreadable++;
    }

    private bool TryTake(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            Take(document.RootElement);
            return true;
        }
        catch (Exception e) when (e is JsonException or FormatException or KeyNotFoundException or InvalidOperationException)
        {
            return false;
        }
    }

    private void Take(JsonElement json)
    {
        DateTimeOffset time = json.GetProperty("time").GetDateTimeOffset();
        string kind = json.GetProperty("event").GetString() ?? "";
        switch (kind)
        {
            case "passed_over":
                _passedOver.Add($"{Text(json, "path")}: {Text(json, "reason")}");
                return;
            case "branched":
                _branched = true;
                return;
            case "started" or "resumed":
                Begin(json, time);
                return;
        }
        RunSession session = _sessions.Count > 0 ? _sessions[^1] : Begin();
        session.See(time);
        if (Number(json, "step") is { } step && kind != "retired" && kind != "command")
            session.Reach(step, Number(json, "batch"));
        switch (kind)
        {
            case "skipped":
                Skip(session, json);
                break;
            case "saved" or "recoverable" or "failed" or "refused" or "dropped":
                RecordedSave save = Save(json, kind, time);
                if (kind != "saved" || !TryMakeDurable(save))
                    session.Saves.Add(save);
                break;
            case "finished" or "stopped":
                session.End = kind == "finished" ? SessionEnd.Finished : SessionEnd.Stopped;
                break;
            case "aborted":
                (session.End, session.Error) = (SessionEnd.Failed, Text(json, "why"));
                break;
        }
    }

    private RunSession Begin()
    {
        _sessions.Add(new RunSession());
        return _sessions[^1];
    }

    private void Begin(JsonElement json, DateTimeOffset time)
    {
        RunSession? before = _sessions.LastOrDefault();
        long step = Count(json.GetProperty("step")), batch = Count(json.GetProperty("batch"));
        long lost = Number(json, "lost_steps") ?? 0;
        // Whoever looked while it trained has noted that it does.
        if (before is { End: SessionEnd.Running })
            before.End = SessionEnd.Unknown;
        // Only the next process knows how far one came that was killed.
        if (before is not null && lost > 0)
            before.Reach(step + lost, null);
        RunSession session = Begin();
        (session.FirstStep, session.LastStep, session.FirstBatch, session.LastBatch) = (step, step, batch, batch);
        (session.LostSteps, session.LostAtLeast, session.ResumedFrom, session.Branched) = (lost, json.TryGetProperty("lost_at_least", out JsonElement atLeast) && atLeast.GetBoolean(), Text(json, "from"), _branched);
        foreach (string fault in _passedOver)
            session.PassedOver.Add(fault);
        session.See(time);
        _passedOver.Clear();
        _branched = false;
        _configuration = new RunConfiguration
        {
            Enabled = json.TryGetProperty("enabled", out JsonElement enabled) ? enabled.GetBoolean() : null,
            TotalSteps = Number(json, "total_steps"),
            CheckpointEvery = Number(json, "checkpoint_every"),
            SnapshotEvery = Number(json, "snapshot_every"),
            CheckpointRule = Text(json, "checkpoint"),
            SnapshotRule = Text(json, "snapshot"),
        };
    }

    // What stood in the fast folder, maybe since an earlier process, is durable now.
    private bool TryMakeDurable(RecordedSave saved)
    {
        foreach (RunSession session in _sessions.AsEnumerable().Reverse())
        {
            if (session.Saves.LastOrDefault(save => save.Outcome == SaveOutcome.Recoverable && save.Step == saved.Step && save.Kind == saved.Kind) is not { } recoverable)
                continue;
            session.Saves[session.Saves.IndexOf(recoverable)] = saved with { Stall = recoverable.Stall };
            return true;
        }
        return false;
    }

    // "skipped" counts all so far; several may have come between two lines.
    private static void Skip(RunSession session, JsonElement json)
    {
        long all = Number(json, "skipped") ?? 0, known = SkippedBefore(session) + session.Skips.Sum(skip => skip.Count);
        session.Skips.Add(new SkippedBatch(Count(json.GetProperty("batch")), Count(json.GetProperty("step")), Text(json, "reason") ?? "unknown", Math.Max(1, all - known)));
    }

    private static long SkippedBefore(RunSession session) => session.FirstBatch - session.FirstStep;

    private static RecordedSave Save(JsonElement json, string outcome, DateTimeOffset time) => new()
    {
        Step = Count(json.GetProperty("step")),
        Kind = Text(json, "kind") == "snapshot" ? SaveKind.Snapshot : SaveKind.Checkpoint,
        Outcome = outcome switch { "saved" => SaveOutcome.Saved, "recoverable" => SaveOutcome.Recoverable, "failed" => SaveOutcome.Failed, "refused" => SaveOutcome.Refused, _ => SaveOutcome.Dropped },
        Reason = Text(json, "reason"),
        Stall = Seconds(json, "stall_seconds") ?? TimeSpan.Zero,
        Duration = Seconds(json, "seconds"),
        Bytes = Number(json, "bytes") ?? 0,
        Folder = Text(json, "folder"),
        Error = Text(json, "error"),
        Time = time,
    };

    private static long? Number(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? Count(value) : null;

    // No run counts so far; a line that does is damaged, and sums over it must not overflow.
    private static long Count(JsonElement value) => value.GetInt64() is >= 0 and <= MostCounted and var count ? count : throw new FormatException($"{value} is no number of steps, batches or bytes");

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    private static TimeSpan? Seconds(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) ? TimeSpan.FromSeconds(Math.Clamp(value.GetDouble(), 0, 1e9)) : null;
}
