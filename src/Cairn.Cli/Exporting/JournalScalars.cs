using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Cli.Reporting.Data;
using Cairn.TensorBoard;

namespace Cairn.Cli.Exporting;

/// <summary>
/// The curves that a run's journal holds, along the line that the run is on: what a restart made again, and what was left for a branch, is not among them. Lines are given in their order; those that cannot
/// be understood are passed over.
/// </summary>
/// <param name="lineage">The run's branches; <see langword="null"/> where nothing tells of them: then each start counts as one of the same branch.</param>
internal sealed class JournalScalars(Lineage? lineage)
{
    private readonly HashSet<(string Kind, long Step)> _recoverable = [];
    private readonly List<(int Branch, Scalar Point)> _points = [];
    private readonly List<MetricPoint> _last = [];
    private int _branch, _process;
    private long _start;

    /// <summary>When the run was started, as far as the journal says.</summary>
    public DateTimeOffset? Started { get; private set; }

    /// <summary>Takes in an event.</summary>
    public void Take(JsonElement json)
    {
        try
        {
            Understand(json);
        }
        catch (Exception e) when (RunFolder.IsMalformed(e))
        {
            // A damaged line.
        }
    }

    /// <summary>The points in the order in which they are written.</summary>
    public Scalar[] Line()
    {
        var order = new StepOrder();
        return [.. _points.Where(entry => lineage is null || lineage.Contains(entry.Branch, entry.Point.Step)).Select(entry => entry.Point).Where(order.Takes)];
    }

    private void Understand(JsonElement json)
    {
        DateTimeOffset time = json.GetProperty("time").GetDateTimeOffset();
        Started ??= time;
        switch (json.GetProperty("event").GetString())
        {
            case "started" or "resumed":
                Start(json.GetProperty("step").GetInt64(), json.TryGetProperty("branch", out JsonElement branch) ? branch.GetInt32() : 0);
                break;
            case "metrics":
                Measure(json);
                break;
            case "saved" or "recoverable":
                Save(json, time);
                break;
        }
    }

    // What the branch has beyond the step at which a process goes on is made again.
    private void Start(long step, int branch)
    {
        (_branch, _start) = (lineage is null ? 0 : branch, step);
        _process++;
        _points.RemoveAll(entry => entry.Branch == _branch && entry.Point.Step > step);
    }

    private void Measure(JsonElement json)
    {
        // The last one says how many batches the next stands for.
        if (_last.Count > 1)
            _last.RemoveRange(0, _last.Count - 1);
        int known = _last.Count;
        MetricLine.AddTo(_last, json, _process, out _);
        // Batches that are skipped before the first step have no place on the axis.
        foreach (MetricPoint point in _last.Skip(known).Where(point => point.Step > _start))
        {
            Add(RunScalars.Of(new Measurement(point.Time, point.Step, point.Batches)
            {
                Loss = point.Loss,
                LeastLoss = point.Least,
                MostLoss = point.Most,
                LearningRate = point.LearningRate,
                TokensPerSecond = point.CountsTokens ? point.Rate : null,
                SecondsPerBatch = point.SecondsPerStep,
                Metrics = point.Metrics,
            }));
        }
    }

    private void Save(JsonElement json, DateTimeOffset time)
    {
        long step = json.GetProperty("step").GetInt64();
        string kind = json.GetProperty("kind").GetString() ?? "";
        bool isDurable = json.GetProperty("event").GetString() == "saved";
        // What was recoverable is told again when it is durable, and training waited for it once.
        bool isKnown = isDurable ? _recoverable.Remove((kind, step)) : !_recoverable.Add((kind, step));
        TimeSpan duration = TimeSpan.FromSeconds(Math.Clamp(json.GetProperty("seconds").GetDouble(), 0, 1e9)), stall = TimeSpan.FromSeconds(Math.Clamp(json.GetProperty("stall_seconds").GetDouble(), 0, 1e9));
        Add(RunScalars.OfSave(step, time, isDurable, duration, isKnown ? null : (stall, json.GetProperty("bytes").GetInt64())));
    }

    private void Add(IEnumerable<Scalar> points) => _points.AddRange(points.Where(point => point.Step >= 0).Select(point => (_branch, point)));
}
