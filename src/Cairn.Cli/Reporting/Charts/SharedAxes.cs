using System.Globalization;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;

namespace Cairn.Cli.Reporting.Charts;

/// <summary>The axes of all runs of a page: what stands side by side is measured alike.</summary>
internal sealed class SharedAxes
{
    private readonly Axis _loss, _learningRate, _rate;

    private SharedAxes(IReadOnlyList<RunCurves> curves, Axis steps, Axis loss, Axis learningRate, Axis rate) => (Curves, Steps, _loss, _learningRate, _rate) = (curves, steps, loss, learningRate, rate);

    /// <summary>The curves of each run.</summary>
    public IReadOnlyList<RunCurves> Curves { get; }

    /// <summary>The steps.</summary>
    public Axis Steps { get; }

    public static SharedAxes Of(IReadOnlyList<RunReport> runs)
    {
        RunCurves[] curves = [.. runs.Select(RunCurves.Of)];
        double last = runs.SelectMany(run => run.Timeline.Processes.Select(process => process.LastStep).Append(run.Step)).DefaultIfEmpty(1).Max();
        // A run that went on from another one has no step before that.
        double first = runs.SelectMany(run => run.Timeline.Processes.Select(process => process.FirstStep).Concat(run.Timeline.Processes.Count == 0 ? (run.Copies?.Copies ?? []).Select(copy => copy.Step ?? 0) : [])).DefaultIfEmpty(0).Min();
        return new SharedAxes(
            curves, Axis.Exact(first > last / 2 ? first : 0, last, AxisUnit.Steps),
            Axis.For(curves.SelectMany(run => run.Loss.Values), AxisUnit.Number, mayBeLogarithmic: true),
            Axis.For(curves.SelectMany(run => run.LearningRate.Values), AxisUnit.Number, fromZero: true),
            // Of the speed the slow ones are the news: zero at the bottom shows how slow.
            Axis.For(curves.SelectMany(run => run.Rate.Values), AxisUnit.Number, fromZero: true));
    }

    /// <summary>A panel for each thing that any of these runs measured.</summary>
    public List<Panel> Panels(IReadOnlyList<RunCurves> runs, string rateName)
    {
        List<Panel> panels = [];
        Add("Loss", [.. runs.Select(run => run.Loss)], _loss, 190, curve => $"{Text(curve.Last)} at the end, {Extreme(curve, false)}, {Extreme(curve, true)}{(_loss.IsLogarithmic ? "; logarithmic scale" : "")}");
        Add("Learning rate", [.. runs.Select(run => run.LearningRate)], _learningRate, 84, curve => $"{Text(curve.Last)} at the end, {Extreme(curve, true)}");
        Add(rateName, [.. runs.Select(run => run.Rate)], _rate, 96, curve => $"median {Text(Median(curve))}, {Extreme(curve, false)}");
        return panels;

        void Add(string title, Curve[] curves, Axis axis, int height, Func<Curve, string> note)
        {
            Curve[] drawn = [.. curves.Where(curve => !curve.IsEmpty)];
            if (drawn.Length > 0)
                panels.Add(new Panel(title, drawn.Length == 1 && runs.Count == 1 ? note(drawn[0]) : axis.IsLogarithmic ? "logarithmic scale" : "", drawn, axis, height));
        }
    }

    private static string Text(double? number) => number is { } known ? Digits(known) : "nothing";

    private static string Digits(double number) => Math.Abs(number) >= 10_000 ? Axis.Short(double.Parse(number.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)) : Units.Digits(number);

    private static string Extreme(Curve curve, bool highest)
    {
        IEnumerable<Sample> samples = curve.Parts.SelectMany(part => part.Samples);
        Sample found = highest ? samples.MaxBy(sample => sample.Most) : samples.MinBy(sample => sample.Least);
        return $"{(highest ? "highest" : "least")} {Digits(highest ? found.Most : found.Least)} near step {Units.Count((long)found.X)}";
    }

    private static double? Median(Curve curve)
    {
        double[] values = [.. curve.Parts.SelectMany(part => part.Samples).Select(sample => sample.Last).Order()];
        return values.Length == 0 ? null : values[values.Length / 2];
    }
}
