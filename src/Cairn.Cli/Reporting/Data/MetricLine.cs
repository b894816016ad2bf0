using System.Globalization;
using System.Text.Json;

namespace Cairn.Cli.Reporting.Data;

/// <summary>A <c>metrics</c> line of the journal: columns, of which all but the batches may be missing (<c>docs/files.md</c>).</summary>
internal static class MetricLine
{
    private const string Start = "\"event\":\"metrics\"";

    /// <summary>Whether a line is one, without understanding all of it.</summary>
    public static bool Is(string line) => line.AsSpan(0, Math.Min(line.Length, 100)).Contains(Start, StringComparison.Ordinal);

    /// <summary>The lines without those that a later one overtakes, for whoever wants to know only how far the windows came.</summary>
    public static IEnumerable<string> Newest(IReadOnlyList<string> lines) => lines.Where((line, i) => i == lines.Count - 1 || !Is(line) || !Is(lines[i + 1]));

    /// <summary>Adds its windows.</summary>
    /// <exception cref="FormatException">It cannot be understood.</exception>
    public static void AddTo(List<MetricPoint> points, JsonElement json, int process, out bool tokens)
    {
        double?[] batches = Column(json, "batches", null), steps = Column(json, "steps", batches.Length), loss = Column(json, "loss", batches.Length);
        double?[] least = Column(json, "loss_min", batches.Length, loss), most = Column(json, "loss_max", batches.Length, loss), rates = Column(json, "learning_rate", batches.Length);
        double?[] consumed = Column(json, "tokens", batches.Length), seconds = Column(json, "seconds", batches.Length), slowest = Column(json, "seconds_max", batches.Length);
        (string Name, double?[] Values)[] metrics = json.TryGetProperty("metrics", out JsonElement own) ? [.. own.EnumerateObject().Select(metric => (metric.Name, Column(own, metric.Name, batches.Length)))] : [];
        DateTimeOffset[] ends = Ends(json.GetProperty("time").GetDateTimeOffset(), seconds);
        tokens = consumed.Any(count => count > 0);
        for (int i = 0; i < batches.Length; i++)
        {
            long batch = Whole(batches[i]), step = Whole(steps[i] ?? batches[i]);
            // The batch before it, in this line or the last one: how many a window stands for.
            long before = points is [.., var last] && last.Process == process && last.Batch < batch ? last.Batch : batch - 1;
            double? amount = tokens ? consumed[i] : batch - before;
            points.Add(new MetricPoint(process, batch, step, loss[i], Finite(least[i]), Finite(most[i]), Finite(rates[i]),
                amount / seconds[i] is > 0 and < double.PositiveInfinity and var rate ? rate : null, amount / (batch - before) / slowest[i] is > 0 and < double.PositiveInfinity and var slow ? slow : null)
            {
                Batches = batch - before,
                Time = ends[i],
                CountsTokens = tokens,
                Metrics = Measured(metrics, i),
                SecondsPerStep = seconds[i] / (batch - before) is > 0 and < double.PositiveInfinity and var each ? each : null,
            });
        }
    }

    // The line was written when its last window ended; each began when the one before it did.
    private static DateTimeOffset[] Ends(DateTimeOffset time, double?[] seconds)
    {
        DateTimeOffset[] ends = new DateTimeOffset[seconds.Length];
        for (int i = seconds.Length - 1; i >= 0; i--)
        {
            ends[i] = time;
            if (seconds[i] > 0 && seconds[i] < (time - DateTimeOffset.UnixEpoch).TotalSeconds)
                time -= TimeSpan.FromSeconds(seconds[i]!.Value);
        }
        return ends;
    }

    private static Dictionary<string, double>? Measured((string Name, double?[] Values)[] metrics, int window)
    {
        Dictionary<string, double>? measured = null;
        foreach ((string name, double?[] values) in metrics)
        {
            if (values[window] is { } value)
                (measured ??= new Dictionary<string, double>(StringComparer.Ordinal))[name] = value;
        }
        return measured;
    }

    private static double?[] Column(JsonElement json, string name, int? length, double?[]? otherwise = null)
    {
        if (!json.TryGetProperty(name, out JsonElement column))
            return otherwise ?? new double?[length ?? throw new FormatException($"there is no {name}")];
        double?[] values = [.. column.EnumerateArray().Select(Number)];
        return values.Length == (length ?? values.Length) ? values : throw new FormatException($"{name} has {values.Length} values instead of {length}");
    }

    private static double? Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => double.Parse(value.GetString()!, CultureInfo.InvariantCulture),
        _ => value.GetDouble(),
    };

    private static long Whole(double? value) => value is >= 0 and <= 1L << 53 and var count ? (long)count : throw new FormatException($"{value} is no number of batches");

    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? number : null;
}
