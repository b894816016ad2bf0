using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Output;
using Cairn.Commit;
using Cairn.Resume;
using Cairn.Storage;

namespace Cairn.Cli.Verbs;

/// <summary>The result of <c>cairn branch</c>.</summary>
internal sealed record BranchResult(string Run, long From, string Name, int Branch, IReadOnlyList<string> LeftBehind);

/// <summary><c>cairn branch</c>: start a new line from an older checkpoint.</summary>
internal sealed class BranchVerb : Verb
{
    private readonly Argument<string> _run = RunArgument();
    private readonly Option<long> _from = new("--from") { Description = "The step to go on from.", HelpName = "STEP", Required = true };
    private readonly Option<string?> _name = new("--name") { Description = "Name of the new line [default: that of the present one].", HelpName = "NAME" };

    public override JsonTypeInfo Result => JsonTypes.Default.BranchResult;

    protected override string Example => "cairn branch runs/tinylm --from 300 --name colder";

    protected override Command Define() => new("branch", "Starts a new line from an older step: the next start of the run resumes there. Newer copies are kept and do not win.") { _run, _from, _name };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        RunView run = RunView.Open(parsed.GetValue(_run)!);
        using RunLock runLock = RunLock.Acquire(run.Files, TimeProvider.System);
        run = RunView.Open(run.Files.Root);
        long from = parsed.GetValue(_from);
        ResumeChoice choice = ResumeLadder.Choose(run.Files, run.Catalog, run.Record, verifyHashes: true, from, cancellationToken);
        if (choice.Chosen?.Step != from)
        {
            string why = choice.PassedOver.Count > 0 ? string.Join("; ", choice.PassedOver) : "there is no such copy on this line";
            throw new CheckpointException($"Step {from} cannot be used: {why}. Try: cairn ls {run.Files.Root}") { Step = from, Path = run.Files.Root };
        }
        RunRecord branched = run.Record with { Lineage = run.Record.Lineage.Fork(from, parsed.GetValue(_name)) };
        branched.Save(run.Files);
        Branch current = branched.Lineage.Current;
        string[] left = [.. run.Catalog.Entries.Where(entry => entry.Marker is { } marker && run.IsOnLine(marker) && !branched.Lineage.Contains(marker.Lineage.Current.Id, marker.Step)).Select(entry => entry.Folder)];
        var result = new BranchResult(run.Files.Root, from, current.Name, current.Id, left);
        screen.Show(result, JsonTypes.Default.BranchResult, shown => screen.Line(Screen.Plain(
            $"The next start of {shown.Run} resumes at step {shown.From}, on branch {shown.Branch} '{shown.Name}'. " + (shown.LeftBehind.Count == 0 ? "Nothing is left behind." : $"Left behind and kept: {string.Join(", ", shown.LeftBehind)}."))));
        return ExitCode.Good;
    }
}
