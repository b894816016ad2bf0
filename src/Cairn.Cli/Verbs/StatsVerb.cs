using System.CommandLine;
using System.Diagnostics;
using System.IO.Enumeration;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Output;
using Cairn.Inspection;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;

namespace Cairn.Cli.Verbs;

/// <summary><c>cairn stats</c>: what are the values like?</summary>
internal sealed class StatsVerb : Verb
{
    private readonly Argument<string> _path = new("path") { Description = "A checkpoint, file or model folder of any kind; of a run, what a restart would take.", HelpName = "PATH" };
    private readonly Option<string[]> _parts = new("--part") { Description = "Look only at this part; may be repeated.", HelpName = "NAME" };
    private readonly Option<string?> _name = new("--name") { Description = "Look only at tensors whose name fits; * and ? stand for anything.", HelpName = "PATTERN" };
    private readonly Option<int> _bins = new("--bins") { Description = "Maximum number of bins in a histogram.", DefaultValueFactory = _ => 24, HelpName = "number" };

    private readonly Option<bool> _strict = StrictChoice.Option();

    public override JsonTypeInfo Result => JsonTypes.Default.StatsResult;

    public override string Example => "cairn stats runs/tinylm/500 --part model --name '*norm*'";

    public override string Details => "Also infinity and zeros. Exits with 1 when a value is not finite.";

    protected override Command Define() =>
        new("stats", "Reads every value: NaN, range, mean, standard deviation, histogram.") { _path, _parts, _name, _bins, _strict };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        int bins = parsed.GetValue(_bins);
        if (bins is < 1 or > 1024)
            throw new WrongUseException("--bins takes a number from 1 to 1024.");
        string path = parsed.GetValue(_path)!;
        long start = Stopwatch.GetTimestamp();
        using LoadedCheckpoint checkpoint = StrictChoice.Checked(CheckpointReader.Open(path), path, parsed.GetValue(_strict));
        (string Part, string Name, StateTensor Tensor)[] found =
        [
            .. from part in PartChoice.Of(checkpoint.Parts, parsed.GetValue(_parts))
               from leaf in StateLeaves.Of(checkpoint.Load(part))
               where leaf.Node is StateTensor && FileSystemName.MatchesSimpleExpression(parsed.GetValue(_name) ?? "*", leaf.Path, ignoreCase: false)
               select (part, leaf.Path, (StateTensor)leaf.Node),
        ];
        if (found.Length == 0)
            throw new WrongUseException($"There is no such tensor in {path}. Try: cairn show {path} --tensors");
        // A tied tensor has several names and is read once.
        var places = new Dictionary<StateTensor, int>(ReferenceEqualityComparer.Instance);
        var once = new List<StateTensor>();
        foreach ((_, _, StateTensor tensor) in found)
        {
            if (places.TryAdd(tensor, once.Count))
                once.Add(tensor);
        }
        long bytes = once.Sum(tensor => tensor.ByteLength);
        IReadOnlyList<TensorStatistics> measured;
        using (var progress = new ProgressLine(screen, "stats", bytes))
            measured = TensorInspector.Measure(once, new InspectionOptions { Bins = bins, BytesRead = progress.Add }, cancellationToken);
        StatsTensor[] rows = [.. found.Select(tensor => Row(tensor.Part, tensor.Name, tensor.Tensor, measured[places[tensor.Tensor]]))];
        rows = [.. rows.Select((row, i) => Array.FindIndex(found, other => other.Tensor == found[i].Tensor) is var first && first < i ? row with { TiedTo = rows[first].Name } : row)];
        var result = new StatsResult(
            CheckpointLabel.Of(checkpoint, path), rows, bytes, measured.Sum(one => one.NaN), measured.Sum(one => one.PositiveInfinity + one.NegativeInfinity), Stopwatch.GetElapsedTime(start).TotalSeconds);
        screen.Show(result, JsonTypes.Default.StatsResult, shown => Render(screen, shown));
        return result.Nan + result.Infinity == 0 ? ExitCode.Good : ExitCode.FoundBad;
    }

    private static StatsTensor Row(string part, string name, StateTensor tensor, TensorStatistics found) => new(
        part, name, tensor.Type.ToString(), tensor.Shape, found.Values, found.NaN, found.PositiveInfinity, found.NegativeInfinity, found.Zeros,
        found.Min, found.Max, found.Mean, found.StandardDeviation, found.Histogram is { } histogram ? new StatsHistogram(histogram.Start, histogram.Width, histogram.Counts) : null);

    private static void Render(Screen screen, StatsResult result)
    {
        screen.Line(screen.Strong(result.Path));
        foreach (IGrouping<string, StatsTensor> part in result.Tensors.GroupBy(tensor => tensor.Part, StringComparer.Ordinal))
        {
            screen.Line();
            screen.Table([part.Key, "type", "NaN", "inf", "zeros", "min", "max", "mean", "std", "histogram"], part.Select(tensor => (IReadOnlyList<string>)
            [
                Screen.Plain(tensor.Name),
                Screen.Plain($"{tensor.Dtype}[{string.Join(", ", tensor.Shape)}]"),
                Found(screen, tensor.Nan),
                Found(screen, tensor.PositiveInfinity + tensor.NegativeInfinity),
                tensor.Zeros == 0 ? "0" : Units.Percent(tensor.Zeros, tensor.Values),
                Number(tensor.Min), Number(tensor.Max), Number(tensor.Mean), Number(tensor.StandardDeviation),
                tensor.TiedTo is { } first ? Screen.Plain($"tied to {first}") : tensor.Histogram is { } histogram ? Sparkline.Of(histogram.Counts) : "",
            ]), 2, 3, 4, 5, 6, 7, 8);
        }
        screen.Line();
        string bad = result.Nan + result.Infinity == 0
            ? screen.Good("every value is finite")
            : screen.Bad($"{Units.Count(result.Nan)} NaN, {Units.Count(result.Infinity)} infinite");
        screen.Line($"{Units.Of(result.Tensors.Count, "tensor")}, {Units.Bytes(result.Bytes)}: {bad}");
    }

    private static string Found(Screen screen, long count) => count == 0 ? "0" : screen.Bad(Units.Count(count));

    private static string Number(double? number) => number is { } value ? Units.Digits(value) : "";
}
