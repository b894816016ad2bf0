using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Advice;
using Cairn.Cli.Input;
using Cairn.Cli.Output;
using Cairn.Configuration;
using Microsoft.Extensions.Options;

namespace Cairn.Cli.Verbs;

/// <summary><c>cairn plan</c>: how often should I save?</summary>
internal sealed class PlanVerb : Verb
{
    private const int MostCopiesShown = 8;

    private readonly PlanInputs _inputs = new();
    private readonly Option<string?> _check = new("--check") { Description = "Judge the options in this file instead of recommending some: JSON, or InternLM's Python with ckpt = dict(…).", HelpName = "FILE" };

    public override JsonTypeInfo Result => JsonTypes.Default.PlanResult;

    public override string Example => "cairn plan --steps 50000 --step-time 1.2s --parameters 7B --target runs/new --mtbf 12h";

    public override string Details => "Work lost by a failure, stalls, bytes, space, what will exist at the end. With --check, judges given options and exits with 1 if something in them should be changed.";

    protected override Command Define()
    {
        var command = new Command("plan", "Recommends how often to save, before a run.") { _check };
        _inputs.AddTo(command);
        return command;
    }

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        OptionsFile? given = parsed.GetValue(_check) is { } path ? OptionsFile.Read(path) : null;
        (PlanRequest request, IReadOnlyList<string> assumed) = _inputs.Read(parsed, given?.Options, screen, cancellationToken);
        Recommendation recommendation = Recommendation.For(request);
        CheckpointOptions options = given?.Options ?? recommendation.Options;
        // What cannot be understood is left out of the forecast; what contradicts itself cannot have one.
        string[] invalid = [.. Invalid(options)];
        string[] failures = [.. given?.Failures ?? [], .. invalid];
        CheckpointPlan? plan = invalid.Length == 0 ? CheckpointPlan.Of(request, options) : null;
        var result = new PlanResult(
            PlanGiven.Of(request), assumed, given?.Path, PlanOptions.Of(options),
            new PlanRecommendation(PlanOptions.Of(recommendation.Options), recommendation.Young.TotalSeconds, recommendation.Daly.TotalSeconds, recommendation.Reasons),
            plan is null ? null : PlanForecast.Of(plan),
            [.. (plan?.Warnings ?? []).Select(warning => new PlanTrapFound(Words.Snake(warning.Trap.ToString()), warning.IsHarmful, warning.Message))], failures, given?.Notes ?? []) { Snapshots = PlanSnapshots.Of(plan) };
        screen.Show(result, JsonTypes.Default.PlanResult, shown => Render(screen, shown, plan));
        return given is not null && (failures.Length > 0 || result.Warnings.Any(warning => warning.Harmful)) ? ExitCode.FoundBad : ExitCode.Good;
    }

    private static IEnumerable<string> Invalid(CheckpointOptions options)
    {
        // Where it will be saved does not matter here.
        string folder = options.Folder;
        options.Folder = folder.Length == 0 ? "run" : folder;
        ValidateOptionsResult result = new CheckpointOptionsValidator().Validate(null, options);
        options.Folder = folder;
        return result.Failures ?? [];
    }

    private static void Render(Screen screen, PlanResult result, CheckpointPlan? plan)
    {
        PlanGiven given = result.Given;
        screen.Line(Screen.Plain($"{Units.Of(given.TotalSteps, "step")} of {Seconds(given.StepSeconds)}, {Units.Bytes(given.StateBytes)} a copy{(given.FrozenBytes is { } frozen ? $" ({Units.Bytes(frozen)} of it frozen, written once)" : "")}, disk {Units.Bytes(given.WriteBytesPerSecond)}/s, a failure every {Seconds(given.MtbfSeconds)}"
            + (given.SpaceBytes is { } space ? $", space {Units.Bytes(space)}" : "")));
        foreach (string assumption in result.Assumed)
            screen.Line(screen.Dim("assumed: " + assumption));
        screen.Line();
        screen.Line(screen.Strong(result.Checked is { } file ? $"judged: {file}" : "recommended"));
        ShowOptions(screen, result.Options);
        if (result.Checked is null)
            Bullets(screen, result.Recommendation.Reasons);
        if (result.Snapshots is { } snapshots)
            Bullets(screen, [$"SnapshotEvery = auto takes {snapshots.Reason}"]);
        foreach (string failure in result.Failures)
            screen.Line($"  {screen.Bad("wrong")}  {Screen.Plain(failure)}");
        foreach (string note in result.Notes)
            screen.Line($"  {screen.Dim("note")}   {Screen.Plain(note)}");
        if (plan is not null)
            ShowForecast(screen, result.Forecast!, plan);
        if (result.Warnings.Count > 0)
        {
            screen.Line();
            foreach (PlanTrapFound warning in result.Warnings)
                screen.Line($"{(warning.Harmful ? screen.Bad("warning") : screen.Dim("note"))}  {Screen.Plain(warning.Message)}");
        }
        if (result.Checked is null)
            return;
        bool isGood = result.Failures.Count == 0 && !result.Warnings.Any(warning => warning.Harmful);
        screen.Line();
        if (isGood)
            screen.Line(screen.Good("Nothing to change.") + " What would be recommended:");
        else
            screen.Line(screen.Strong("recommended instead"));
        ShowOptions(screen, result.Recommendation.Options);
        Bullets(screen, result.Recommendation.Reasons);
    }

    private static void ShowOptions(Screen screen, PlanOptions options)
    {
        (string Name, object? Value)[] all =
        [
            ("CheckpointEvery", options.CheckpointEvery), ("CheckpointInterval", options.CheckpointInterval), ("SnapshotEvery", options.SnapshotStallBudget is null ? options.SnapshotEvery : "auto"), ("SnapshotStallBudget", options.SnapshotStallBudget),
            ("SnapshotInterval", options.SnapshotInterval),
            ("KeepLast", options.KeepLast), ("KeepEvery", options.KeepEvery), ("KeepBest", options.KeepBest), ("KeepWithinBytes", options.KeepWithinBytes), ("KeepOptimizer", options.KeepOptimizer), ("Asynchronous", options.Asynchronous ? null : "false"),
        ];
        foreach ((string name, object? value) in all.Where(option => option.Value is not null))
            screen.Line(Screen.Plain($"  {name} = {value}"));
    }

    private static void ShowForecast(Screen screen, PlanForecast forecast, CheckpointPlan plan)
    {
        screen.Line();
        screen.Table(["what it means", ""],
        [
            ["saves", $"{Units.Of(forecast.Checkpoints, "checkpoint")} and {Units.Of(forecast.Snapshots, "snapshot")} in {Seconds(forecast.Seconds)}"],
            ["stall", $"{Seconds(forecast.StallSecondsPerSave)} a save, {Seconds(forecast.StallSeconds)} in all, {Quantities.Percent(forecast.Overhead)} of the time"],
            ["durable after", Seconds(forecast.DurableAfterSeconds)],
            ["lost by a failure", $"{Seconds(forecast.MeanLossSeconds)} of work on average, {Seconds(forecast.WorstLossSeconds)} at worst"],
            ["failures to expect", $"{Units.Number(Math.Round(forecast.ExpectedFailures, 1))}, which lose {Seconds(forecast.ExpectedLossSeconds)} in all"],
            ["end to expect", forecast.ExpectedSeconds is { } seconds ? $"after {Seconds(seconds)}, failures and restarts included" : "never: failures come too often"],
            ["written", Units.Bytes(forecast.BytesWritten)],
            ["space at most", Units.Bytes(forecast.PeakBytes)],
        ]);
        IReadOnlyList<string> chart = SpaceChart.Draw(plan.Forecast.Space, plan.Request.TotalSteps);
        if (chart.Count > 0)
            screen.Line();
        foreach (string line in chart)
            screen.Line(Screen.Plain(line));
        screen.Line();
        screen.Line(screen.Strong(forecast.AtEnd.Count == 0 ? "at the end nothing will exist" : "at the end there will be"));
        int more = forecast.AtEnd.Count - MostCopiesShown;
        foreach (PlanCopy copy in forecast.AtEnd.Take(more > 1 ? MostCopiesShown : forecast.AtEnd.Count))
            screen.Line(Screen.Plain($"  {copy.Kind,-10}  {copy.Step,-10}  {copy.Reason}").TrimEnd());
        if (more > 1)
            screen.Line(Screen.Plain($"  and {more} more, down to step {forecast.AtEnd[^1].Step}"));
    }

    private static void Bullets(Screen screen, IReadOnlyList<string> lines)
    {
        foreach (string line in lines)
            screen.Line(Screen.Plain("  - " + line));
    }

    private static string Seconds(double seconds) => Units.Time(TimeSpan.FromSeconds(seconds));
}
