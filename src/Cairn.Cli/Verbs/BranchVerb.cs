using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Checkpoints;
using Cairn.Cli.Output;
using Cairn.Cli.Runs;
using Cairn.Cli.Verification;
using Cairn.Journal;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Cli.Verbs;

/// <summary>The result of <c>cairn branch</c>: the folder that the next start resumes from, the new branch, and the folders that are kept but not resumed.</summary>
internal sealed record BranchResult(string Run, long From, string Folder, string Name, int Branch, IReadOnlyList<string> LeftBehind);

/// <summary><c>cairn branch</c>: start a new line from an older checkpoint.</summary>
internal sealed class BranchVerb : Verb
{
    private readonly Argument<string> _run = RunArgument();
    private readonly Option<string> _from = new("--from") { Description = "The step to go on from, of this line or of one that was left; or best.", HelpName = "STEP", Required = true };
    private readonly Option<string?> _name = new("--name") { Description = "Name of the new branch [default: that of the current one].", HelpName = "NAME" };

    public override JsonTypeInfo Result => JsonTypes.Default.BranchResult;

    public override string Example => "cairn branch runs/tinylm --from 300 --name colder";

    public override string Details => "Newer copies are kept but not resumed.";

    protected override Command Define() => new("branch", "Continues from an older step: the next start resumes there.") { _run, _from, _name };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        string path = parsed.GetValue(_run)!;
        IRunHome home = RunPlace.HomeOf(path) ?? RunView.Open(path).Home();
        using ILease? lease = RunPlace.Lock(home, screen.Error, cancellationToken);
        RunView run = RunView.Open(path);
        long from = StepOf(run, parsed.GetValue(_from)!);
        (CatalogEntry copy, Lineage lineage) = Find(run, from, parsed.GetValue(_name), screen, cancellationToken);
        RunRecord branched = run.Record with { Lineage = lineage };
        lease?.Check();
        branched.Save(home.Files);
        Branch current = lineage.Current;
        if (home.Files.FileExists(RunFolder.Best))
            BestPointer.Mend(home.Files, BestCopy.Of(run.Catalog.Entries, LineView.Of(branched)));
        new RunJournal(home.Files, TimeProvider.System, NullLogger.Instance).Write("branched", json =>
        {
            json.WriteNumber("step", from);
            json.WriteNumber("branch", current.Id);
            json.WriteString("name", current.Name);
        });
        string[] left = [.. run.Catalog.Entries.Where(entry => entry.Marker is { } marker && run.IsOnLine(marker) && !lineage.Contains(marker.Lineage.Current.Id, marker.Step)).Select(entry => entry.Folder)];
        var result = new BranchResult(run.Files.Root, from, copy.Folder, current.Name, current.Id, left);
        screen.Show(result, JsonTypes.Default.BranchResult, shown => Render(screen, shown));
        return ExitCode.Good;
    }

    private static long StepOf(RunView run, string from) =>
        from == RunFolder.BestName ? (BestCopy.Of(run.Catalog.Entries, LineView.Of(run.Record)) ?? throw BestCopy.None(run.Files.Root)).Step
        : RunFolder.IsStep(from, out long step) ? step : throw new WrongUseException($"'{from}' is no step: give a number such as 300, or best.");

    private static (CatalogEntry, Lineage) Find(RunView run, long from, string? name, Screen screen, CancellationToken cancellationToken)
    {
        using var progress = new ProgressLine(screen, "verify", run.Catalog.Entries.Where(entry => entry.Step == from).Sum(entry => entry.Marker?.Bytes ?? 0));
        var files = new MeteredFileSource(run.Files, progress.Add);
        return OnThisLine(run, files, from, name, cancellationToken) ?? OnAnotherLine(run, files, from, name, cancellationToken) ?? throw Unusable(run, files, from, cancellationToken);
    }

    private static (CatalogEntry, Lineage)? OnThisLine(RunView run, IFileSource files, long from, string? name, CancellationToken cancellationToken)
    {
        ResumeChoice choice = ResumeLadder.Choose(files, run.Catalog, run.Record, verifyHashes: true, from, cancellationToken);
        return choice.Chosen is { } chosen && chosen.Step == from ? (chosen, run.Record.Lineage.Fork(from, name)) : null;
    }

    // A line that was left may turn out to have been the better one.
    private static (CatalogEntry, Lineage)? OnAnotherLine(RunView run, IFileSource files, long from, string? name, CancellationToken cancellationToken)
    {
        Lineage known = run.Record.Lineage;
        foreach (CatalogEntry entry in run.Catalog.Entries)
        {
            if (entry.Step != from || entry.Marker is not { IsDerived: false } marker || marker.Run != run.Record.Id || marker.IsWeightsOnly || run.IsOnLine(marker))
                continue;
            if (known.Branches.FirstOrDefault(branch => branch.Id == marker.Lineage.Current.Id) is not { } parent || Verifier.Verify(files, entry, cancellationToken) is not null)
                continue;
            var next = new Branch(known.Branches.Max(branch => branch.Id) + 1, name ?? known.Current.Name, parent.Id, from);
            return (entry, new Lineage([.. known.Branches, next], next.Id));
        }
        return null;
    }

    private static CheckpointException Unusable(RunView run, IFileSource files, long from, CancellationToken cancellationToken)
    {
        CheckpointFault[] faults = [.. run.Catalog.Entries.Where(entry => entry.Step == from).Select(entry => entry.Fault ?? ResumeLadder.LackOf(entry, null) ?? Verifier.Verify(files, entry, cancellationToken)).OfType<CheckpointFault>()];
        string steps = string.Join(", ", run.Catalog.Entries.Where(entry => entry.Marker is not null).Select(entry => Units.Plain(entry.Step)).Distinct(StringComparer.Ordinal).Take(20));
        string why = faults.Length > 0 ? string.Join("; ", faults.Select(fault => fault.ToString())) : $"there is no such copy. Steps there: {(steps.Length == 0 ? "none" : steps)}";
        return new CheckpointException($"Step {from} cannot be used: {why}. Try: cairn ls {run.Files.Root}") { Step = from, Path = run.Files.Root };
    }

    private static void Render(Screen screen, BranchResult result)
    {
        screen.Line(Screen.Plain($"The next start of {result.Run} resumes at step {Units.Plain(result.From)} ({result.Folder}/), on branch {result.Branch} '{result.Name}'."));
        screen.Line(Screen.Plain(result.LeftBehind.Count == 0 ? "Nothing is left behind." : $"Left behind and kept: {string.Join(", ", result.LeftBehind)}."));
    }
}
