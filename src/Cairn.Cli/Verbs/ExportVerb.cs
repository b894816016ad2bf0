using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Exporting;
using Cairn.Cli.Listing;
using Cairn.Cli.Output;

namespace Cairn.Cli.Verbs;

/// <summary>The result of <c>cairn export</c>: the folder for <c>tensorboard --logdir</c>, and the runs in it.</summary>
internal sealed record ExportResult(string Folder, IReadOnlyList<ExportedRun> Runs);

/// <summary>A run that was exported. <c>Name</c> is what TensorBoard calls it, <c>LastStep</c> the last of any curve.</summary>
internal sealed record ExportedRun(string Root, string Name, string File, long Bytes, int Curves, int Points, long LastStep);

/// <summary><c>cairn export</c>: the curves of runs for another program.</summary>
internal sealed class ExportVerb : Verb
{
    private readonly Argument<string[]> _runs = new("run") { Description = "The folder or address of a run; several stand side by side.", HelpName = "RUN", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string> _folder = new("--tensorboard") { Description = "Write event files for TensorBoard into this folder, each run in a folder of its own.", HelpName = "DIR", Required = true };

    public override JsonTypeInfo Result => JsonTypes.Default.ExportResult;

    public override string Example => "cairn export runs/tinylm --tensorboard tb && tensorboard --logdir tb\n  cairn export runs/a s3://bucket/runs/b --tensorboard tb";

    public override string Details => "Loss, learning rate, rates, the run's own metrics and what saves cost, by steps, from the journal; what was made again or left for a branch is not shown. An earlier export of the same run is replaced, and no other file.";

    protected override Command Define() => new("export", "Writes the curves of runs for TensorBoard.") { _runs, _folder };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        string folder = Path.GetFullPath(parsed.GetValue(_folder)!);
        string[] places = [.. parsed.GetValue(_runs)!.Select(CopyListing.FullPath)], names = RunNames.Of(places);
        List<ExportedRun> exported = [];
        foreach ((string place, string name) in places.Zip(names))
        {
            cancellationToken.ThrowIfCancellationRequested();
            (string file, long bytes, TensorBoard.Scalar[] points) = EventFileExport.Write(place, Path.Join(folder, name));
            exported.Add(new ExportedRun(place, name, file, bytes, points.Select(point => point.Tag).Distinct(StringComparer.Ordinal).Count(), points.Length, points.Length == 0 ? 0 : points.Max(point => point.Step)));
        }
        screen.Show(new ExportResult(folder, exported), JsonTypes.Default.ExportResult, shown =>
        {
            foreach (ExportedRun run in shown.Runs)
                screen.Line(Screen.Plain($"{run.Name}: {Units.Of(run.Curves, "curve")}, {Units.Of(run.Points, "point")} up to step {Units.Count(run.LastStep)}, {Units.Bytes(run.Bytes)}"));
            screen.Line(screen.Dim($"tensorboard --logdir {shown.Folder}"));
        });
        return ExitCode.Good;
    }
}
