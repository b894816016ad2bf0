using System.CommandLine;
using System.Globalization;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Output;
using Cairn.Inspection;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;

namespace Cairn.Cli.Verbs;

/// <summary><c>cairn diff</c>: what is different?</summary>
internal sealed class DiffVerb : Verb
{
    private readonly Argument<string> _left = new("a") { Description = "A checkpoint, file or model folder of any kind; of a run, what a restart would take.", HelpName = "A" };
    private readonly Argument<string> _right = new("b") { Description = "What it is compared with.", HelpName = "B" };
    private readonly Option<string[]> _parts = new("--part") { Description = "Compare only this part; may be repeated.", HelpName = "NAME" };
    private readonly Option<double?> _tolerance = new("--tolerance") { Description = "Treat tensors as equal when no value differs by more than this; NaN is never equal.", HelpName = "number" };
    private readonly Option<int?> _top = new("--top") { Description = "Show only so many changed tensors of a part, those that differ most.", HelpName = "number" };

    private readonly Option<bool> _strict = StrictChoice.Option();

    public override JsonTypeInfo Result => JsonTypes.Default.DiffResult;

    public override string Example => "cairn diff runs/tinylm/300 runs/tinylm/500 --part model --top 10";

    public override string Details => "Parts and tensors added, removed, reshaped, retyped or changed, and by how much. Exits with 1 when they differ.";

    protected override Command Define() =>
        new("diff", "Compares two checkpoints.") { _left, _right, _parts, _tolerance, _top, _strict };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        double? tolerance = parsed.GetValue(_tolerance);
        if (tolerance is < 0 or double.NaN)
            throw new WrongUseException("--tolerance takes a number that is not negative. Example: --tolerance 1e-6");
        using LoadedCheckpoint left = Opened(parsed, _left), right = Opened(parsed, _right);
        string[] names = PartChoice.Of([.. left.Parts.Union(right.Parts, StringComparer.Ordinal)], parsed.GetValue(_parts));
        (string Name, StateMap? Left, StateMap? Right)[] parts =
            [.. names.Select(name => (name, left.Parts.Contains(name, StringComparer.Ordinal) ? left.Load(name) : null, right.Parts.Contains(name, StringComparer.Ordinal) ? right.Load(name) : null))];
        long bytes = parts.Where(part => part is { Left: not null, Right: not null }).Sum(part => StateComparison.BytesToCompare(StateComparison.Structure(part.Left!, part.Right!)));
        DiffPart[] compared;
        using (var progress = new ProgressLine(screen, "diff", bytes))
        {
            var options = new InspectionOptions { BytesRead = progress.Add };
            compared = [.. parts.Select(part => Compare(part.Name, part.Left, part.Right, tolerance, options, cancellationToken))];
        }
        var result = new DiffResult(CheckpointLabel.Of(left, parsed.GetValue(_left)!), CheckpointLabel.Of(right, parsed.GetValue(_right)!), compared.All(part => part.Change == "same"), tolerance, compared);
        screen.Show(result, JsonTypes.Default.DiffResult, shown => Render(screen, shown, parsed.GetValue(_top) ?? int.MaxValue));
        return result.Identical ? ExitCode.Good : ExitCode.FoundBad;
    }

    private LoadedCheckpoint Opened(ParseResult parsed, Argument<string> argument) =>
        StrictChoice.Checked(CheckpointReader.Open(parsed.GetValue(argument)!), parsed.GetValue(argument)!, parsed.GetValue(_strict));

    private static DiffPart Compare(string name, StateMap? left, StateMap? right, double? tolerance, InspectionOptions options, CancellationToken cancellationToken)
    {
        EntryComparison[] entries = [.. StateComparison.Compare(left ?? [], right ?? [], options, cancellationToken).Select(entry => WithTolerance(entry, tolerance))];
        int tensors = entries.Count(entry => (entry.Left ?? entry.Right) is StateTensor);
        long bytes = Math.Max(entries.Sum(entry => (entry.Left as StateTensor)?.ByteLength ?? 0), entries.Sum(entry => (entry.Right as StateTensor)?.ByteLength ?? 0));
        DiffEntry[] changed = [.. entries.Where(entry => entry.Change != EntryChange.Same).Select(Row)];
        string change = left is null ? "added" : right is null ? "removed" : changed.Length == 0 ? "same" : "changed";
        return new DiffPart(name, change, tensors, entries.Length - tensors, entries.Length - changed.Length, bytes, left is null || right is null ? [] : changed);
    }

    private static EntryComparison WithTolerance(EntryComparison entry, double? tolerance) =>
        entry is { Change: EntryChange.Changed, Tensors: { BothNaN: 0 } tensors } && tensors.MaxAbsolute <= tolerance ? entry with { Change = EntryChange.Same } : entry;

    private static DiffEntry Row(EntryComparison entry) => new(entry.Path, entry.Change.ToString().ToLowerInvariant(), Text(entry.Left), Text(entry.Right))
    {
        Values = entry.Tensors?.Values,
        Different = entry.Tensors?.Different,
        OneNan = entry.Tensors is { OneNaN: > 0 and var nan } ? nan : null,
        BothNan = entry.Tensors is { BothNaN: > 0 and var both } ? both : null,
        MaxAbsolute = entry.Tensors?.MaxAbsolute,
        MaxRelative = entry.Tensors?.MaxRelative,
        RelativeNorm = entry.Tensors?.RelativeNorm,
        Cosine = entry.Tensors?.Cosine,
    };

    private static string? Text(StateNode? node) => node switch
    {
        null => null,
        StateTensor tensor => tensor.ToString(),
        StateScalar { Value: null } => "null",
        StateScalar { Value: bool value } => value ? "true" : "false",
        StateScalar { Value: double value } => value.ToString("R", CultureInfo.InvariantCulture),
        StateScalar scalar => Convert.ToString(scalar.Value, CultureInfo.InvariantCulture),
        StateMap => "empty map",
        _ => "empty list",
    };

    private static void Render(Screen screen, DiffResult result, int top)
    {
        int tensors = result.Parts.Sum(part => part.Tensors);
        string within = result.Tolerance is { } tolerance ? $" within {Units.Number(tolerance)}" : "";
        if (result.Identical)
        {
            screen.Line($"{screen.Good("identical" + within)}  {Screen.Plain($"{result.Left} and {result.Right}: {Units.Of(result.Parts.Count, "part")}, {Units.Of(tensors, "tensor")}, {Units.Bytes(result.Parts.Sum(part => part.Bytes))}")}");
            return;
        }
        screen.Line(Screen.Plain($"A {result.Left}"));
        screen.Line(Screen.Plain($"B {result.Right}"));
        foreach (DiffPart part in result.Parts)
        {
            screen.Line();
            RenderPart(screen, part, within, top);
        }
    }

    private static void RenderPart(Screen screen, DiffPart part, string within, int top)
    {
        string size = $"{Units.Of(part.Tensors, "tensor")}, {Units.Of(part.Scalars, "value")}, {Units.Bytes(part.Bytes)}";
        string name = screen.Strong(part.Name);
        screen.Line(part.Change switch
        {
            "same" => $"{name}  {screen.Good("identical" + within)}  {size}",
            "added" => $"{name}  {screen.Bad("only in B")}  {size}",
            "removed" => $"{name}  {screen.Bad("only in A")}  {size}",
            _ => $"{name}  {screen.Bad($"{Units.Count(part.Entries.Count)} of {Units.Count(part.Tensors + part.Scalars)} differ")}  {size}",
        });
        DiffEntry[] numbers = [.. part.Entries.Where(entry => entry.MaxAbsolute is not null).OrderByDescending(entry => top == int.MaxValue ? 0 : entry.RelativeNorm ?? double.PositiveInfinity)];
        DiffEntry[] others = [.. part.Entries.Where(entry => entry.MaxAbsolute is null)];
        if (numbers.Length > 0)
        {
            screen.Table(["tensor", "", "type", "different", "max |a-b|", "relative", "norm", "cosine"], numbers.Take(top).Select(entry => (IReadOnlyList<string>)
            [
                Screen.Plain(entry.Path),
                entry.Change,
                Screen.Plain(entry.Left == entry.Right ? entry.Left! : $"{entry.Left} → {entry.Right}"),
                Units.Percent(entry.Different!.Value, entry.Values!.Value),
                Units.Digits(entry.MaxAbsolute!.Value),
                Units.Digits(entry.MaxRelative!.Value),
                entry.RelativeNorm is { } norm ? Units.Digits(norm) : "",
                entry.Cosine is { } cosine ? cosine.ToString("0.000000", CultureInfo.InvariantCulture) : string.Join(", ", NotNumbers(entry)),
            ]), 3, 4, 5, 6, 7);
            if (numbers.Length > top)
                screen.Line(Screen.Plain($"and {Units.Of(numbers.Length - top, "tensor")} more that differ less"));
        }
        if (others.Length > 0)
        {
            screen.Table(["entry", "", "A", "B"], others.Select(entry => (IReadOnlyList<string>)
                [Screen.Plain(entry.Path), entry.Change, Screen.Plain(entry.Left ?? ""), Screen.Plain(entry.Right ?? "")]));
        }
    }

    private static IEnumerable<string> NotNumbers(DiffEntry entry)
    {
        if (entry.OneNan is { } one)
            yield return $"{Units.Count(one)} NaN in one";
        if (entry.BothNan is { } both)
            yield return $"{Units.Count(both)} NaN in both";
    }
}
