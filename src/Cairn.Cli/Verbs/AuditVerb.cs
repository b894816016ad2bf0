using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Advice.Audit;
using Cairn.Cli.Input;
using Cairn.Cli.Output;
using Cairn.Cli.Runs;

namespace Cairn.Cli.Verbs;

/// <summary><c>cairn audit</c>: what did the run really do?</summary>
internal sealed class AuditVerb : Verb
{
    private const int MostProcesses = 20;

    private readonly Argument<string[]> _paths = new("path") { Description = "The run's folder or address, its journal.jsonl, or the logs of InternLM, torchtitan or XTuner: of several ranks and restarts as well.", HelpName = "RUN or LOG", Arity = ArgumentArity.OneOrMore };
    private readonly Option<long?> _totalSteps = QuantityOption.Count("--total-steps", "Steps that were planned, when the record does not say.");
    private readonly Option<long?> _checkpointEvery = QuantityOption.Count("--checkpoint-every", "Steps between checkpoints, when the record does not say.");
    private readonly Option<long?> _snapshotEvery = QuantityOption.Count("--snapshot-every", "Steps between snapshots (oss_snapshot_freq), when the record does not say.");
    private readonly Option<string?> _config = new("--config") { Description = "Take these from a configuration: JSON, or InternLM's Python with ckpt = dict(…).", HelpName = "FILE" };
    private readonly Option<string?> _folder = new("--folder") { Description = "Where the logged run saved to [default: what the log says].", HelpName = "FOLDER" };

    public override JsonTypeInfo Result => JsonTypes.Default.AuditResult;

    public override string Example => "cairn audit runs/tinylm\n  cairn audit logs/*.log --config 7B_train.py --folder llm_ckpts";

    public override string Details => "Steps, skips, restarts and what each lost, saves due and missing, the final checkpoint, time spent on saves. Exits with 1 if something is bad.";

    protected override Command Define() =>
        new("audit", "Compares what a run did with what it was told to do.") { _paths, _totalSteps, _checkpointEvery, _snapshotEvery, _config, _folder };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        RunConfiguration given = Given(parsed);
        AuditSource source = AuditSource.Read(parsed.GetValue(_paths)!, parsed.GetValue(_folder), given.CheckpointEvery, screen, cancellationToken);
        if (source.History.Sessions.Count == 0)
            throw new CheckpointException($"{source.Name} shows no training: there is no line of a journal of Cairn, or of a log of InternLM, torchtitan, XTuner or OpenMMLab, in it.") { Path = source.Name };
        AuditResult result = AuditResult.Of(source.Name, RunAudit.Of(source.History, given, source.OnDisk));
        screen.Show(result, JsonTypes.Default.AuditResult, shown => Render(screen, shown));
        return result.Findings.Any(finding => finding.Harmful) ? ExitCode.FoundBad : ExitCode.Good;
    }

    private RunConfiguration Given(ParseResult parsed)
    {
        var typed = new RunConfiguration { TotalSteps = parsed.GetValue(_totalSteps), CheckpointEvery = parsed.GetValue(_checkpointEvery), SnapshotEvery = parsed.GetValue(_snapshotEvery) };
        if (parsed.GetValue(_config) is not { } path)
            return typed;
        CheckpointOptions options = OptionsFile.Read(path).Options;
        var configured = new RunConfiguration { Enabled = options.Enabled, TotalSteps = options.TotalSteps, CheckpointEvery = options.CheckpointEvery };
        return typed.Over(options.SnapshotsAreContinuous ? configured with { SnapshotRule = options.CreateSchedule().SnapshotPolicy.Describe } : configured with { SnapshotEvery = options.SnapshotSteps ?? 0 });
    }

    private static void Render(Screen screen, AuditResult result)
    {
        (AuditConfigured told, AuditExecuted did) = (result.Configured, result.Executed);
        screen.Line(screen.Strong(result.Source) + Screen.Plain($"  {RecordedBy(result)}, {Units.Of(result.Processes.Count, "process").Replace("processs", "processes", StringComparison.Ordinal)}"));
        screen.Line();
        screen.Table(["", "told", "did"],
        [
            ["steps", Number(told.TotalSteps), Units.Plain(did.Steps)],
            ["batches", "", Units.Plain(did.Batches)],
            ["skipped", "", did.Skipped == 0 ? "0" : Screen.Plain($"{did.Skipped} ({string.Join(", ", did.SkipsByReason.Select(skip => $"{skip.Key}: {skip.Value}"))})")],
            ["repeated", "", Units.Steps(did.LostSteps, did.LostAtLeast)],
            ["checkpoints", Every(told, told.CheckpointEvery, told.CheckpointRule, "checkpoint_every"), Screen.Plain(Saves(did.Checkpoints, did.DueCheckpoints, result, "checkpoint"))],
            ["snapshots", Every(told, told.SnapshotEvery, told.SnapshotRule, "snapshot_every"), Screen.Plain(Saves(did.Snapshots, did.DueSnapshots, result, "snapshot"))],
            ["final checkpoint", "", did.FinalCheckpoint is { } final ? screen.Good(final) : screen.Bad("none")],
            ["time", "", Seconds(did.Seconds)],
            ["waited for saves", "", $"{Seconds(did.StallSeconds)}, {Quantities.Percent(did.StallShare)} of the time"],
        ]);
        if (result.Processes.Count > 1 || result.Processes[0].ResumedFrom is not null)
        {
            screen.Line();
            screen.Table(
                ["process", "from", "steps", "skipped", "saves", "lost before", "time", "end"],
                result.Processes.TakeLast(MostProcesses).Select((process, i) => (IReadOnlyList<string>)
                [
                    Units.Plain(Math.Max(0, result.Processes.Count - MostProcesses) + i + 1), Screen.Plain(process.ResumedFrom ?? "the beginning"), $"{process.FirstStep} to {process.LastStep}", Units.Plain(process.Skipped), Units.Plain(process.Saves),
                    $"{(process is { LostAtLeast: true, LostSteps: > 0 } ? "≥ " : "")}{process.LostSteps}", process is { Started: { } start, Ended: { } end } ? Units.Time(end - start) : "", process.End switch { "failed" => screen.Bad(process.End), "unknown" => "killed", var other => other },
                ]), 0, 3, 4, 5);
        }
        screen.Line();
        foreach (AuditFound finding in result.Findings)
        {
            screen.Line($"{(finding.Harmful ? screen.Bad("bad") : screen.Dim("note"))}  {Screen.Plain(finding.Message)}");
            if (finding.Advice is { } advice)
                screen.Line($"      {screen.Dim("→")} {Screen.Plain(advice)}");
        }
        if (!result.Findings.Any(finding => finding.Harmful))
            screen.Line(screen.Good("Nothing bad."));
    }

    private static string RecordedBy(AuditResult result) => result.RecordedBy switch
    {
        "cairn" => "by its journal",
        "internlm" => "by InternLM's logs",
        "torchtitan" => "by torchtitan's logs",
        "xtuner" => "by XTuner's logs",
        _ => "by the logs of mmengine",
    };

    private static string Saves(long made, long due, AuditResult result, string kind)
    {
        int missing = result.Missing.Count(save => save.Kind == kind);
        return due == 0 ? Units.Plain(made) : $"{made} ({due} due by the interval{(missing == 0 ? "" : $", {missing} missing")})";
    }

    private static string Every(AuditConfigured told, long? every, string? rule, string name) =>
        (every switch { null => rule ?? "not known", 0 => rule ?? "none", 1 => "every step", { } steps => rule ?? $"every {steps} steps" }) + (told.Inferred.Contains(name, StringComparer.Ordinal) ? " (by what it did)" : "");

    private static string Number(long? number) => number is { } known ? Units.Plain(known) : "not known";

    private static string Seconds(double seconds) => Units.Time(TimeSpan.FromSeconds(seconds));
}
