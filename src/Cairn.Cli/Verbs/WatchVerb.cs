using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cairn.Alerts;
using Cairn.Cli.Input;
using Cairn.Cli.Output;
using Cairn.Cli.Runs;
using Cairn.Stores;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Cairn.Cli.Verbs;

/// <summary><c>cairn watch</c>: how does it do now?</summary>
internal sealed class WatchVerb(TimeProvider time) : Verb
{
    private static readonly TimeSpan OnTerminal = TimeSpan.FromSeconds(1), InPipe = TimeSpan.FromSeconds(10), Poll = TimeSpan.FromSeconds(0.5);

    private static readonly string[] SaveColumns = ["save", "kind", "why", "stall", "durable after", "size", "outcome"];

    private readonly Argument<string> _run = RunArgument();
    private readonly Option<TimeSpan?> _every = QuantityOption.Time("--every", "Time between two looks [default: 1s on a terminal, 10s in a pipe].");
    private readonly Option<bool> _once = new("--once") { Description = "Look once." };

    private readonly Option<string[]> _alerts = new("--alert") { Description = "Tell this web address of failures and the end; may be given again. Slack's and Feishu's are known; slack:, feishu: or json: before the address says which form it takes.", HelpName = "URL" };
    private readonly Option<TimeSpan?> _copyAge = QuantityOption.Time("--alert-copy-age", "Tell when no copy has become durable for this long [default: never].");
    private readonly Option<TimeSpan?> _silence = QuantityOption.Time("--alert-silence", "Tell when no batch has ended for this long [default: 30m].");
    private readonly Option<TimeSpan?> _interval = QuantityOption.Time("--alert-interval", "Tell the same kind of thing once in this time [default: 10m].");

    public override JsonTypeInfo Result => JsonTypes.Default.WatchResult;

    public override string Example => "cairn watch runs/tinylm";

    public override string Details => "How far it is, the newest durable copy and what a loss would cost now, what is due next, the last saves, skips. Ends when the run ends; exits with 1 if it was killed or aborted.";

    protected override Command Define() =>
        new("watch", "Shows a run as it trains.") { _run, _every, _once, _alerts, _copyAge, _silence, _interval };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        IFileSource files = RunPlace.Open(parsed.GetValue(_run)!);
        using WatchAlerts? alerts = Alerts(parsed, files.Root);
        var monitor = new RunMonitor(files, time);
        Look();
        TimeSpan every = parsed.GetValue(_every) ?? (screen.IsTerminal ? OnTerminal : InPipe);
        if (every <= TimeSpan.Zero)
            throw new WrongUseException("--every must be longer than zero, such as 2s.");
        if (parsed.GetValue(_once) || monitor.IsAlive == false)
            screen.Show(Now(), JsonTypes.Default.WatchResult, now => Render(screen, now));
        else if (screen.IsTerminal)
            screen.Console.Live(View(screen, Now())).AutoClear(false).Start(live => Follow(() => live.UpdateTarget(View(screen, Now()))));
        else
            FollowInPipe();
        return Now().State is "killed" or "aborted" ? ExitCode.FoundBad : ExitCode.Good;

        WatchResult Now() => WatchResult.Of(files.Root, monitor, time.GetUtcNow());

        void Look()
        {
            monitor.Look();
            alerts?.See(monitor);
        }

        void Follow(Action show)
        {
            show();
            // Whoever has seen enough presses Ctrl-C, or closes the pipe: that is no failure.
            while (monitor.IsAlive != false && !screen.HasNoReader && !cancellationToken.WaitHandle.WaitOne(every < Poll ? every : Poll))
            {
                Look();
                show();
            }
        }

        void FollowInPipe()
        {
            try
            {
                Follow(Report());
            }
            catch (OutputClosedException)
            {
                // As above, in the middle of a line.
            }
        }

        Action Report()
        {
            long? last = null;
            return () =>
            {
                if (!screen.IsJson)
                {
                    foreach (JsonElement line in monitor.News.Where(_ => last is not null))
                        screen.Raw(EventText.Of(line));
                }
                if (last is { } shown && time.GetElapsedTime(shown) < every && monitor.IsAlive != false)
                    return;
                last = time.GetTimestamp();
                if (screen.IsJson)
                    screen.JsonLine(Now(), JsonTypes.Default.WatchResult);
                else
                    screen.Raw(Line(Now()));
            };
        }
    }

    private WatchAlerts? Alerts(ParseResult parsed, string run)
    {
        string[] addresses = parsed.GetValue(_alerts) ?? [];
        if (AlertReceivers.Problems("--alert", addresses).FirstOrDefault() is { } wrong)
            throw new WrongUseException(wrong);
        AlertLimits limits = new(parsed.GetValue(_copyAge), parsed.GetValue(_silence) ?? TimeSpan.FromMinutes(30), parsed.GetValue(_interval) ?? TimeSpan.FromMinutes(10));
        return addresses.Length == 0 ? null : new WatchAlerts(run, AlertReceivers.Of(addresses, null, time), limits, time, static problem => Console.Error.WriteLine(Words.Printable(problem)));
    }

    // For a pipe: everything that changes, in one line.
    private static string Line(WatchResult now)
    {
        List<string> parts = [$"{now.State}", $"step {now.Step}{(now.TotalSteps is { } total ? $" of {total}" : "")}", $"batch {now.Batch}"];
        if (now.Loss is { } loss)
            parts.Add($"loss {Units.Number(loss)}");
        if (now.StepsPerSecond is { } rate)
            parts.Add($"{Units.Number(Math.Round(rate, 2))} steps/s");
        if (now.SecondsLeft is { } left)
            parts.Add($"{Time(left)} left");
        parts.Add(Risk(now).Replace("  ", ", ", StringComparison.Ordinal));
        if (now.NextCheckpoint is { } checkpoint)
            parts.Add($"checkpoint at {checkpoint}");
        if (now.NextSnapshot is { } snapshot)
            parts.Add($"snapshot at {snapshot}");
        parts.Add($"{now.Skipped} skipped");
        return string.Join(", ", parts);
    }

    private static void Render(Screen screen, WatchResult now)
    {
        foreach (string line in Lines(screen, now))
            screen.Line(line);
        if (now.LastSaves.Count > 0)
            screen.Table(SaveColumns, now.LastSaves.Select(save => SaveCells(screen, save)));
    }

    private static Rows View(Screen screen, WatchResult now)
    {
        List<IRenderable> rows = [.. Lines(screen, now).Select(line => new Markup(line))];
        if (now.LastSaves.Count == 0)
            return new Rows(rows);
        var table = new Table { Border = TableBorder.Rounded };
        foreach (string name in SaveColumns)
            table.AddColumn(new TableColumn(screen.Strong(name)) { NoWrap = true });
        foreach (WatchSave save in now.LastSaves)
            table.AddRow([.. SaveCells(screen, save)]);
        return new Rows([.. rows, table]);
    }

    private static IEnumerable<string> Lines(Screen screen, WatchResult now)
    {
        yield return $"{screen.Strong(now.Run)}  {(now.State is "killed" or "aborted" ? screen.Bad(now.State) : screen.Good(now.State))}{(now.Time is { } at ? screen.Dim($"  {at:yyyy-MM-dd HH:mm:ss} UTC") : "")}";
        // The two lines that answer most questions.
        yield return Screen.Plain($"step {now.Step?.ToString() ?? "?"}{(now.TotalSteps is { } total ? $" of {total} ({Units.Percent(now.Step ?? 0, total)})" : "")}{(now.SecondsLeft is { } left ? $"  {Time(left)} left" : "")}");
        yield return Screen.Plain(Risk(now));
        yield return Screen.Plain($"batch {now.Batch?.ToString() ?? "?"}" + (now.Loss is { } loss ? $"  loss {Units.Number(loss)}" : "") + (now.StepsPerSecond is { } rate ? $"  {Units.Number(Math.Round(rate, 2))} steps/s" : ""));
        if (now.State is "training" or "unknown")
            yield return Screen.Plain($"next checkpoint {Due(now.NextCheckpoint, now.NextCheckpointSeconds)}, snapshot {now.SnapshotRule ?? Due(now.NextSnapshot, now.NextSnapshotSeconds)}");
        yield return Screen.Plain($"skipped {now.Skipped}{(now.SkipsByReason.Count > 0 ? $" ({string.Join(", ", now.SkipsByReason.Select(skip => $"{skip.Key}: {skip.Value}"))})" : "")}");
    }

    private static string Risk(WatchResult now)
    {
        bool isOver = now.State is not ("training" or "unknown");
        string durable = now.DurableStep is { } step ? $"durable {step}{(!isOver && now.DurableSeconds is { } age ? $", {Time(age)} ago" : "")}" : "nothing durable";
        bool wasKilled = now.State == "killed";
        string lost = now.AtRiskSteps == 0 && !wasKilled ? "nothing to lose" : $"{(isOver ? "lost" : "lost if it fails now")}: {Units.Steps(now.AtRiskSteps, wasKilled)}{(now is { AtRiskSeconds: { } time, AtRiskSteps: > 0 } ? $", {Time(time)}" : "")}";
        return $"{durable}  {lost}";
    }

    private static string[] SaveCells(Screen screen, WatchSave save) =>
    [
        Units.Plain(save.Step), Screen.Plain(save.Kind), Screen.Plain(save.Reason ?? ""), Time(save.StallSeconds), save.Seconds is { } seconds ? Time(seconds) : "", save.Bytes > 0 ? Units.Bytes(save.Bytes) : "",
        save.Outcome is "saved" or "recoverable" ? screen.Good(save.Outcome) : screen.Bad(save.Outcome + (save.Error is { } error ? $": {error}" : "")),
    ];

    private static string Due(long? step, double? seconds) => step is { } at ? $"at {at}{(seconds is { } time ? $" in {Time(time)}" : "")}" : "none";

    private static string Time(double seconds) => Units.Time(TimeSpan.FromSeconds(seconds));
}
