using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Cli.Output;

namespace Cairn.Cli.Reporting.Data;

/// <summary>A run's journal along the axis of its steps, taken in line by line. What cannot be understood is passed over: the audit counts it.</summary>
internal sealed class Timeline
{
    private const long MostCounted = 1L << 53;

    private readonly Dictionary<string, long> _held = new(StringComparer.Ordinal);
    private readonly Dictionary<(MarkKind, long), RunMark> _recoverable = [];

    public List<MetricPoint> Points { get; } = [];
    public List<RunMark> Marks { get; } = [];
    public List<RunProcess> Processes { get; } = [];
    public List<HeldBytes> Held { get; } = [];

    /// <summary>Skipped batches, those of a stretch that was made again as often as they were met.</summary>
    public long Skipped { get; private set; }

    /// <summary>Whether the rates are tokens per second; otherwise steps.</summary>
    public bool CountsTokens { get; private set; }

    /// <summary>The process that trained last.</summary>
    private RunProcess Current => Processes is [.., var last] ? last : Begin(new RunProcess(0, 0, null, 0, false, 1));

    /// <summary>Takes in a line.</summary>
    public void Take(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            Take(document.RootElement);
        }
        catch (Exception e) when (RunFolder.IsMalformed(e))
        {
            // A line that a crash cut off.
        }
    }

    private void Take(JsonElement json)
    {
        string kind = json.GetProperty("event").GetString() ?? "";
        DateTimeOffset time = json.GetProperty("time").GetDateTimeOffset();
        switch (kind)
        {
            case "branched":
                Marks.Add(new RunMark(MarkKind.Branch, Count(json, "step"), $"Branch {Text(json, "name")} leaves at step {Units.Count(Count(json, "step"))}"));
                break;
            case "started" or "resumed":
                Start(json);
                break;
            case "metrics":
                Reach(json);
                Measure(json);
                break;
            case "skipped":
                Skip(json);
                break;
            case "saved" or "recoverable" or "failed" or "refused" or "dropped" or "drain_failed":
                Save(json, kind, time);
                break;
            case "retired":
                if (_held.Remove(RunFolder.Checkpoint(Count(json, "step"))))
                    Hold(time);
                break;
            case "finished" or "stopped" or "aborted":
                Reach(json);
                break;
        }
    }

    private void Measure(JsonElement json)
    {
        int first = Points.Count;
        MetricLine.AddTo(Points, json, Processes.Count - 1, out bool tokens);
        CountsTokens |= tokens;
        for (int i = first; i < Points.Count; i++)
        {
            if (Points[i].Loss is { } loss && !double.IsFinite(loss))
                Marks.Add(new RunMark(MarkKind.NotFinite, Points[i].Step, $"The loss is {loss.ToString(System.Globalization.CultureInfo.InvariantCulture)} at step {Units.Count(Points[i].Step)}"));
        }
    }

    private void Start(JsonElement json)
    {
        long step = Count(json, "step"), lost = json.TryGetProperty("lost_steps", out _) ? Count(json, "lost_steps") : 0;
        if (Processes is [.., var before] && lost > 0)
            before.LastStep = Math.Max(before.LastStep, step + lost);
        string? from = Text(json, "from");
        RunProcess process = Begin(new RunProcess(
            (int)Math.Min(int.MaxValue, json.TryGetProperty("branch", out _) ? Count(json, "branch") : 0), step, from, lost, json.TryGetProperty("lost_at_least", out JsonElement atLeast) && atLeast.ValueKind == JsonValueKind.True, json.TryGetProperty("ranks", out _) ? Count(json, "ranks") : 1));
        if (Processes.Count > 1 || from is not null)
        {
            Marks.Add(new RunMark(MarkKind.Restart, step, $"Restart at step {Units.Count(step)} from {from ?? "the beginning"}{process.Again}"));
        }
    }

    private RunProcess Begin(RunProcess process)
    {
        Processes.Add(process);
        return process;
    }

    private void Skip(JsonElement json)
    {
        Skipped++;
        Reach(json);
        Marks.Add(new RunMark(MarkKind.Skipped, Count(json, "step"), $"Batch {Units.Count(Count(json, "batch"))} skipped after step {Units.Count(Count(json, "step"))}: {Text(json, "reason")}"));
    }

    private void Save(JsonElement json, string outcome, DateTimeOffset time)
    {
        long step = Count(json, "step");
        Reach(json);
        string what = Text(json, "kind") == "snapshot" ? "Snapshot" : "Checkpoint";
        if (outcome is not ("saved" or "recoverable"))
        {
            Marks.Add(new RunMark(MarkKind.Failed, step, $"{what} of step {Units.Count(step)} {outcome.Replace('_', ' ')}{(Text(json, "error") is { } error ? $": {error}" : "")}"));
            return;
        }
        MarkKind kind = what == "Snapshot" ? MarkKind.Snapshot : MarkKind.Checkpoint;
        string size = json.TryGetProperty("bytes", out _) ? $", {Units.Bytes(Count(json, "bytes"))}" : "";
        var mark = new RunMark(kind, step, $"{what} of step {Units.Count(step)} ({Text(json, "reason")}){(outcome == "recoverable" ? ", in the fast folder" : "")}{size}");
        // What stands in the fast folder comes home later, and is told again then.
        if (outcome == "recoverable")
            _recoverable[(kind, step)] = mark;
        else if (_recoverable.Remove((kind, step), out RunMark? nearer))
            Marks.Remove(nearer);
        Marks.Add(mark);
        if (outcome == "saved" && Text(json, "folder") is { } folder)
        {
            _held[folder] = Count(json, "bytes");
            Hold(time);
        }
    }

    private void Hold(DateTimeOffset time) => Held.Add(new HeldBytes(time, _held.Values.Aggregate(0L, (sum, bytes) => Math.Min(MostCounted, sum + bytes))));

    private void Reach(JsonElement json) => Current.LastStep = Math.Max(Current.LastStep, Count(json, "step"));

    private static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long Count(JsonElement json, string name) =>
        json.GetProperty(name).GetInt64() is >= 0 and <= MostCounted and var count ? count : throw new FormatException($"{name} is no number of steps or bytes");
}
