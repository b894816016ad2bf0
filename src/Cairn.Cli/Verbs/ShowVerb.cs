using System.CommandLine;
using System.Globalization;
using Cairn.Cli.Output;
using Cairn.Commit;
using Cairn.Layouts;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn.Cli.Verbs;

/// <summary>A tensor in <c>cairn show</c>.</summary>
internal sealed record ShowTensor(string Part, string Name, string Dtype, IReadOnlyList<long> Shape, long Bytes);

/// <summary>A part in <c>cairn show</c>.</summary>
internal sealed record ShowPart(string Name, string File, long Bytes, int Tensors, int Values);

/// <summary>Values under a name's first components.</summary>
internal sealed record ShowPrefix(string Prefix, int Tensors, long Parameters);

/// <summary>The result of <c>cairn show</c>.</summary>
internal sealed record ShowResult(
    string Path, long Step, string Kind, string Reason, DateTimeOffset Time, string Run, string Branch, long? Parent, World World,
    IReadOnlyDictionary<string, string> Train, IReadOnlyList<ShowPart> Parts, IReadOnlyList<ShowTensor> Tensors, IReadOnlyList<ShowPrefix> Prefixes, long Parameters);

/// <summary><c>cairn show</c>: what is in it?</summary>
internal sealed class ShowVerb : Verb
{
    private readonly Argument<string> _path = new("path") { Description = "A checkpoint, or a run (then what a restart would take).", HelpName = "PATH" };
    private readonly Option<bool> _tensors = new("--tensors") { Description = "List every tensor of every part." };
    private readonly Option<int> _depth = new("--depth") { Description = "Components of a name by which parameters are summed up.", DefaultValueFactory = _ => 2, HelpName = "number" };

    protected override string Example => "cairn show runs/tinylm/500 --tensors";

    protected override Command Define() => new("show", "Shows one checkpoint: counters, world, parts, parameters by prefix, tensors.") { _path, _tensors, _depth };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        CheckpointPath copy = CheckpointPath.One(parsed.GetValue(_path)!);
        Marker marker = copy.Entry.Marker!;
        List<ShowPart> parts = [];
        List<ShowTensor> tensors = [];
        foreach (MarkedFile file in marker.Files)
        {
            if (CairnLayout.PartOf(file.Name) is not { } part)
                continue;
            using LoadedPart loaded = CairnLayout.Read(copy.Files, copy.Entry.Folder, file.Name);
            int before = tensors.Count, values = 0;
            StateWalk.Visit(loaded.State, (name, node) =>
            {
                if (node is StateTensor tensor)
                    tensors.Add(new ShowTensor(part, name, tensor.Type.ToString(), tensor.Shape, tensor.ByteLength));
                else
                    values++;
            });
            parts.Add(new ShowPart(part, file.Name, file.Length, tensors.Count - before, values));
        }
        ShowTensor[] model = [.. tensors.Where(tensor => tensor.Part == "model")];
        var result = new ShowResult(
            copy.Name, marker.Step, RunView.KindOf(copy.Entry), marker.Reason.ToString().ToLowerInvariant(), marker.Time, marker.Run, marker.Lineage.Current.Name, marker.Parent, marker.World,
            Values(marker.Train), parts, tensors, Prefixes(model, parsed.GetValue(_depth)), model.Sum(Elements));
        screen.Show(result, JsonTypes.Default.ShowResult, shown => Render(screen, shown, parsed.GetValue(_tensors)));
        return ExitCode.Good;
    }

    private static long Elements(ShowTensor tensor) => tensor.Shape.Aggregate(1L, (product, size) => product * size);

    private static Dictionary<string, string> Values(StateMap train)
    {
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        StateWalk.Visit(train, (name, node) => values[name] = Convert.ToString((node as StateScalar)?.Value, CultureInfo.InvariantCulture) ?? "");
        return values;
    }

    private static ShowPrefix[] Prefixes(ShowTensor[] model, int depth) =>
    [
        .. model.GroupBy(tensor => string.Join('.', tensor.Name.Split('.').SkipLast(1).Take(depth)), StringComparer.Ordinal)
            .Select(group => new ShowPrefix(group.Key, group.Count(), group.Sum(Elements))),
    ];

    private static void Render(Screen screen, ShowResult result, bool tensors)
    {
        screen.Line($"{screen.Strong(result.Path)}  {result.Kind} of step {result.Step}, saved because {result.Reason}, {result.Time:yyyy-MM-dd HH:mm:ss} UTC");
        screen.Line(Screen.Plain($"run {result.Run}, branch {result.Branch}, world tp {result.World.Tp} pp {result.World.Pp} dp {result.World.Dp} zo {result.World.Zo}"));
        screen.Line();
        screen.Table(["counter", "value"], result.Train.Select(value => (IReadOnlyList<string>)[Screen.Plain(value.Key), Screen.Plain(value.Value)]));
        screen.Line();
        screen.Table(
            ["part", "file", "size", "tensors", "values"],
            result.Parts.Select(part => (IReadOnlyList<string>)[part.Name, part.File, Units.Bytes(part.Bytes), Units.Plain(part.Tensors), Units.Plain(part.Values)]), 2, 3, 4);
        screen.Line();
        screen.Table(
            ["parameters of", "tensors", "count", "share"],
            result.Prefixes.Select(prefix => (IReadOnlyList<string>)
                [Screen.Plain(prefix.Prefix), Units.Plain(prefix.Tensors), Units.Count(prefix.Parameters), Units.Percent(prefix.Parameters, result.Parameters)])
                .Append([screen.Strong("all"), "", screen.Strong(Units.Count(result.Parameters)), ""]), 1, 2, 3);
        if (!tensors)
            return;
        screen.Line();
        screen.Table(
            ["part", "tensor", "dtype", "shape", "size"],
            result.Tensors.Select(tensor => (IReadOnlyList<string>)
                [tensor.Part, Screen.Plain(tensor.Name), tensor.Dtype, Screen.Plain($"[{string.Join(", ", tensor.Shape)}]"), Units.Bytes(tensor.Bytes)]), 4);
    }
}
