using Cairn.Cli.Reporting.Data;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>The curves of a run, each in stretches: those that still hold, and those that were made again after a restart or left for a branch.</summary>
/// <param name="Loss">Loss.</param>
/// <param name="LearningRate">Learning rate.</param>
/// <param name="Rate">Tokens, or steps, per second.</param>
internal sealed record RunCurves(Curve Loss, Curve LearningRate, Curve Rate)
{
    public static RunCurves Of(RunReport run, int series) => new(
        CurveOf(run, series, point => point.Loss is { } loss && (double.IsFinite(loss) || point.Least is not null) ? new Sample(point.Step, point.Least ?? loss, point.Most ?? loss, loss) : null),
        CurveOf(run, series, point => point.LearningRate is { } rate ? new Sample(point.Step, rate) : null),
        CurveOf(run, series, point => point.Rate is { } rate ? new Sample(point.Step, Math.Min(rate, point.SlowestRate ?? rate), rate, rate) : null));

    private static Curve CurveOf(RunReport run, int series, Func<MetricPoint, Sample?> sample)
    {
        long[] keptUntil = KeptUntil(run.Timeline.Processes);
        var parts = new List<CurvePart>();
        List<Sample> open = [];
        (int Process, bool IsLeft) now = (-1, false);
        foreach (MetricPoint point in run.Timeline.Points)
        {
            bool isLeft = point.Process < keptUntil.Length && point.Step > keptUntil[point.Process];
            if ((point.Process, isLeft) != now)
            {
                // What was left goes on from the last point that was kept.
                Sample[] joint = isLeft && point.Process == now.Process && open.Count > 0 ? [open[^1]] : [];
                open = [.. joint];
                parts.Add(new CurvePart(open, isLeft));
                now = (point.Process, isLeft);
            }
            if (sample(point) is { } found)
                open.Add(found);
        }
        return new Curve(run.Name, series, parts);
    }

    // What a process made beyond the step at which a later one began does not hold.
    private static long[] KeptUntil(List<RunProcess> processes)
    {
        long[] kept = new long[processes.Count];
        long least = long.MaxValue;
        for (int i = processes.Count - 1; i >= 0; i--)
        {
            kept[i] = least;
            least = Math.Min(least, processes[i].FirstStep);
        }
        return kept;
    }
}
