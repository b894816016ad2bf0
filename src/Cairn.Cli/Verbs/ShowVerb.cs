using System.CommandLine;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text.Json.Serialization.Metadata;
using Cairn.Checkpoints;
using Cairn.Cli.Output;
using Cairn.Cli.Verification;
using Cairn.Inspection;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;

namespace Cairn.Cli.Verbs;

/// <summary><c>cairn show</c>: what is in it?</summary>
internal sealed class ShowVerb : Verb
{
    private const string ModelPart = "model", ContextPart = "context";
    // What a person looks through, and what a program reads without harm.
    private const int MostValuesShown = 60, MostPrefixesShown = 60, MostValues = 1000;

    private readonly Argument<string> _path = new("path") { Description = "A checkpoint, file or model folder of any kind; of a run, what a restart would take.", HelpName = "PATH" };
    private readonly Option<bool> _tensors = new("--tensors") { Description = "List every tensor of every part." };
    private readonly Option<bool> _values = new("--values") { Description = $"List every value; of more than {MostValuesShown} the others are else only counted." };
    private readonly Option<string[]> _parts = new("--part") { Description = "Show only this part; may be repeated.", HelpName = "NAME" };
    private readonly Option<int> _depth = new("--depth") { Description = "Components of a name by which parameters are grouped.", DefaultValueFactory = _ => 2, HelpName = "number" };
    private readonly Option<bool> _strict = StrictChoice.Option();

    public override JsonTypeInfo Result => JsonTypes.Default.ShowResult;

    public override string Example => "cairn show runs/tinylm/500 --tensors";

    protected override Command Define() => new("show", "Shows what is in a checkpoint: counters, world, parts, tensors.") { _path, _tensors, _values, _parts, _depth, _strict };

    public override string Details => "A part that is damaged is named, and the others are shown; then it exits with 1.";

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        string path = parsed.GetValue(_path)!;
        using LoadedCheckpoint checkpoint = StrictChoice.Checked(CheckpointReader.Open(path), path, parsed.GetValue(_strict));
        List<ShowPart> parts = [];
        List<Exception> faults = [];
        List<ShowTensor> tensors = [];
        foreach (string part in PartChoice.Of(checkpoint.Parts, parsed.GetValue(_parts)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            parts.Add(Read(checkpoint, part, tensors, faults));
        }
        if (faults.Count > 0 && faults.Count == parts.Count)
            ExceptionDispatchInfo.Throw(faults[0]);
        ShowTensor[] model = [.. tensors.Where(tensor => tensor.Part == Counted(parts, tensors) && tensor.TiedTo is null)];
        CheckpointSource? source = checkpoint.Source;
        Marker? marker = source?.Marker;
        bool own = marker is { IsDerived: false };
        var result = new ShowResult(
            path, marker?.Layout ?? source?.Layout ?? "", source?.Step ?? marker?.Step, marker?.Kind.ToString().ToLowerInvariant(), own ? marker!.Reason.ToString().ToLowerInvariant() : null, marker?.Time,
            own ? marker!.Run : null, own ? marker!.Lineage.Current.Name : null, marker?.Parent, marker?.World,
            Counters(checkpoint, marker, parts, parsed.GetValue(_values), out long more), more == 0 ? null : more, parts, tensors, model.Length == 0 ? null : model[0].Part, Prefixes(model, parsed.GetValue(_depth)), model.Sum(Elements), checkpoint.OtherFiles, checkpoint.Notes);
        screen.Show(result, JsonTypes.Default.ShowResult, shown => Render(screen, shown, parsed.GetValue(_tensors), parsed.GetValue(_values)));
        return faults.Count == 0 ? ExitCode.Good : faults.TrueForAll(Unreadable.Is) ? ExitCode.CouldNot : ExitCode.FoundBad;
    }

    // One part that cannot be read does not hide the others.
    private static ShowPart Read(LoadedCheckpoint checkpoint, string part, List<ShowTensor> tensors, List<Exception> faults)
    {
        int before = tensors.Count;
        try
        {
            return Add(checkpoint, part, tensors);
        }
        catch (Exception e) when (e is CheckpointException and not CopyChangedException or IOException or UnauthorizedAccessException)
        {
            tensors.RemoveRange(before, tensors.Count - before);
            faults.Add(e);
            IReadOnlyList<string> files = checkpoint.FilesOf(part);
            return new ShowPart(part, files, Bytes(checkpoint.Source, files), 0, 0, null, e.Message);
        }
    }

    private static ShowPart Add(LoadedCheckpoint checkpoint, string part, List<ShowTensor> tensors)
    {
        IReadOnlyList<int> ranks = checkpoint.RanksOf(part);
        int before = tensors.Count, values = 0;
        var names = new Dictionary<StateTensor, string>(ReferenceEqualityComparer.Instance);
        foreach (int rank in ranks.Count == 0 ? [-1] : ranks)
        {
            string prefix = ranks.Count > 1 ? $"{rank.ToString(CultureInfo.InvariantCulture)}:" : "";
            foreach (StateLeaf leaf in StateLeaves.Of(rank < 0 ? checkpoint.Load(part) : checkpoint.Load(part, rank)))
            {
                if (leaf.Node is not StateTensor tensor)
                {
                    values++;
                    continue;
                }
                string name = prefix + leaf.Path;
                string? tied = names.TryAdd(tensor, name) ? null : names[tensor];
                tensors.Add(new ShowTensor(part, name, tensor.Type.ToString(), tensor.Shape, tensor.ByteLength, tensor.ShardCount, tied));
            }
        }
        IReadOnlyList<string> files = checkpoint.FilesOf(part);
        return new ShowPart(part, files, Bytes(checkpoint.Source, files), tensors.Count - before, values, ranks.Count == 0 ? null : ranks);
    }

    private static long Bytes(CheckpointSource? source, IReadOnlyList<string> files)
    {
        if (source is null)
            return 0;
        // A file's path is that of the source itself.
        string folder = source.Kind == SourceKind.File ? source.Path[..Math.Max(0, source.Path.LastIndexOf('/'))] : source.Path;
        return files.Select(file => folder.Length == 0 ? file : $"{folder}/{file}").GroupBy(path => path[..Math.Max(0, path.LastIndexOf('/'))], StringComparer.Ordinal).Sum(group =>
        {
            HashSet<string> wanted = [.. group.Select(path => path[(path.LastIndexOf('/') + 1)..])];
            return source.Files.List(group.Key).Where(entry => wanted.Contains(entry.Name)).Sum(entry => entry.Length);
        });
    }

    private static string? Counted(List<ShowPart> parts, List<ShowTensor> tensors) =>
        parts.Exists(part => part.Name == ModelPart) ? ModelPart : parts.Where(part => part.Tensors > 0).MaxBy(part => tensors.Where(tensor => tensor.Part == part.Name).Sum(tensor => tensor.Bytes))?.Name;

    private static long Elements(ShowTensor tensor) => tensor.Shape.Aggregate(1L, (product, size) => product * size);

    private static IReadOnlyDictionary<string, string> Counters(LoadedCheckpoint checkpoint, Marker? marker, List<ShowPart> parts, bool all, out long more)
    {
        // One that was not asked for may be damaged too.
        bool isReadable = checkpoint.Parts.Contains(ContextPart, StringComparer.Ordinal) && (parts.Find(part => part.Name == ContextPart) ?? Read(checkpoint, ContextPart, [], [])).Fault is null;
        return ShowCounters.Of(marker?.Train is { Count: > 0 } recorded ? recorded : isReadable ? checkpoint.Load(ContextPart) : [], all ? int.MaxValue : MostValues, out more);
    }

    private static ShowPrefix[] Prefixes(ShowTensor[] model, int depth) =>
    [
        .. model.GroupBy(tensor => string.Join('.', tensor.Name.Split('.').SkipLast(1).Take(depth)), StringComparer.Ordinal)
            .Select(group => new ShowPrefix(group.Key, group.Count(), group.Sum(Elements))),
    ];

    // Among the values may be a whole configuration.
    private static string OneLine(string value)
    {
        const int Most = 100;
        string line = value.AsSpan().TrimEnd().IndexOf('\n') is var end and >= 0 ? value[..end].TrimEnd() + " …" : value.TrimEnd();
        return line.Length > Most ? line[..Most] + "…" : line;
    }

    private static void Render(Screen screen, ShowResult result, bool tensors, bool values)
    {
        string what = result.Kind ?? result.Layout;
        string step = result.Step is { } number ? $" of step {number}" : "";
        string reason = result.Reason is { } why ? $", saved because {why}" : "";
        string time = result.Time is { } at ? $", {at:yyyy-MM-dd HH:mm:ss} UTC" : "";
        screen.Line($"{screen.Strong(result.Path)}  {what}{step}{reason}{time}");
        string run = result.Run is { } id ? $"run {id}, branch {result.Branch}, " : "";
        string world = result.World is { } size ? $"world tp {size.Tp} pp {size.Pp} dp {size.Dp} zo {size.Zo}, " : "";
        screen.Line(Screen.Plain($"{run}{world}layout {result.Layout}"));
        if (result.Train.Count > 0)
        {
            screen.Line();
            int most = values ? int.MaxValue : MostValuesShown;
            screen.Table(["counter", "value"], result.Train.Take(most).Select(value => (IReadOnlyList<string>)[Screen.Plain(OneLine(ShowCounters.Label(value.Key))), Screen.Plain(OneLine(value.Value))]));
            if (Math.Max(0, result.Train.Count - most) + (result.TrainMore ?? 0) is > 0 and var more)
                screen.Line(screen.Dim($"and {Units.Of(more, "value")} more: --values lists all"));
        }
        screen.Line();
        screen.Table(
            ["part", "files", "size", "tensors", "values", "of ranks"],
            result.Parts.Select(part => (IReadOnlyList<string>)
            [
                Screen.Plain(part.Name),
                Screen.Plain(part.Files switch { [] => "", [var only] => only, [var first, ..] => $"{Units.Plain(part.Files.Count)}: {first}, …" }),
                Units.Bytes(part.Bytes), Units.Plain(part.Tensors), Units.Plain(part.Values),
                part.Ranks is { Count: > 1 } ranks ? Units.Plain(ranks.Count) : "",
            ]), 2, 3, 4, 5);
        foreach (ShowPart part in result.Parts.Where(part => part.Fault is not null))
            screen.Line(screen.Bad($"The part '{part.Name}' cannot be read: {part.Fault}"));
        if (result.Prefixes.Count > 0)
        {
            screen.Line();
            screen.Table(
                ["parameters of", "tensors", "count", "share"],
                result.Prefixes.Take(MostPrefixesShown).Select(prefix => (IReadOnlyList<string>)
                    [Screen.Plain(prefix.Prefix.Length == 0 ? "(no prefix)" : prefix.Prefix), Units.Plain(prefix.Tensors), Units.Count(prefix.Parameters), Units.Percent(prefix.Parameters, result.Parameters)])
                    .Append([screen.Strong($"all of {result.ParametersOf}"), "", screen.Strong(Units.Count(result.Parameters)), ""]), 1, 2, 3);
        }
        if (result.Prefixes.Count > MostPrefixesShown)
            screen.Line(screen.Dim($"and {Units.Of(result.Prefixes.Count - MostPrefixesShown, "prefix", "prefixes")} more: --depth 1 groups by fewer components, --tensors lists all"));
        foreach (string note in result.Notes)
            screen.Line(screen.Dim($"Note: {note}."));
        if (!tensors)
            return;
        screen.Line();
        screen.Table(
            ["part", "tensor", "dtype", "shape", "size", "shards", ""],
            result.Tensors.Select(tensor => (IReadOnlyList<string>)
            [
                Screen.Plain(tensor.Part), Screen.Plain(tensor.Name), tensor.Dtype, Screen.Plain($"[{string.Join(", ", tensor.Shape)}]"), Units.Bytes(tensor.Bytes), Units.Plain(tensor.Shards),
                tensor.TiedTo is { } first ? Screen.Plain($"tied to {first}") : "",
            ]), 4, 5);
    }
}
