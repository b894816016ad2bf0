using System.Text.Json;

namespace Cairn.Cli.Tests;

/// <summary><c>cairn watch</c> on runs that train and on runs that have ended.</summary>
public sealed class WatchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_run_that_has_ended_is_shown_once()
    {
        LiveRun.Make(_folder["run"], new CheckpointOptions { TotalSteps = 100, CheckpointEvery = 50, SnapshotEvery = 20, Asynchronous = false }, 100, overflowAt: 30);
        Result result = CairnProcess.Run("watch", _folder["run"]);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        Golden.Check("watch-ended.txt", result.Out, _folder.Path);
    }

    // What it made in its last second nobody knows.
    [Theory, InlineData(44, "lost: at least 4 steps"), InlineData(40, "lost: no step that is known of")]
    public void Of_a_run_that_was_killed_it_says_what_is_lost_at_least(long step, string lost)
    {
        Directory.CreateDirectory(_folder.Path);
        File.WriteAllText(_folder["journal.jsonl"], $$"""
            {"time":"2026-01-01T00:00:00Z","event":"started","step":0,"batch":0}
            {"time":"2026-01-01T00:00:10Z","event":"saved","step":40,"kind":"snapshot","reason":"snapshot","stall_seconds":0,"folder":"snapshot/0","bytes":7,"seconds":1}
            {"time":"2026-01-01T00:00:14Z","event":"metrics","step":{{step}},"batch":{{step}},"batches":[{{step}}]}

            """);
        File.WriteAllText(_folder["progress.json"], """{"time":"2026-01-01T00:00:10Z","pid":1,"step":39,"batch":39,"skipped":0,"total_steps":100}""");
        Result result = CairnProcess.Run("watch", _folder.Path);
        result.Code.ShouldBe(ExitCode.FoundBad);
        result.Out.ShouldContain("killed");
        result.Out.ShouldContain(lost);
        // Its progress is a second older than its journal.
        result.Out.ShouldContain($"step {step} of 100");
        result.Out.ShouldContain($"batch {step}");
    }

    [Fact]
    public async Task In_a_pipe_it_prints_a_line_now_and_then_and_every_event_until_the_run_ends()
    {
        using var run = new LiveRun(_folder["run"], new CheckpointOptions { CheckpointEvery = 100, SnapshotEvery = 20, TotalSteps = 100_000 });
        using CairnProcess process = CairnProcess.Start(null, "watch", run.Folder, "--every", "200ms");
        await process.WaitForAsync("steps/s");
        await process.WaitForAsync("skipped  step ");
        await process.WaitForAsync("reason interval");
        CairnProcess.Run("stop", run.Folder).Code.ShouldBe(ExitCode.Good);
        Result result = process.WaitForExit();
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        result.Out.ShouldContain("training, step ");
        result.Out.ShouldContain("checkpoint at ");
        result.Out.TrimEnd().Split('\n')[^1].ShouldStartWith("stopped, step ");
    }

    [Fact]
    public async Task Where_snapshots_have_no_interval_it_says_when_the_next_begins()
    {
        using var run = new LiveRun(_folder["run"], new CheckpointOptions { CheckpointEvery = 1_000_000, SnapshotEvery = CheckpointOptions.Auto });
        using CairnProcess process = CairnProcess.Start(null, "watch", run.Folder, "--every", "200ms", "--json");
        await process.WaitForAsync("\"snapshot_rule\":\"when the last save is complete, while saves take at most 1 % of the time\"");
        CairnProcess.Run("stop", run.Folder).Code.ShouldBe(ExitCode.Good);
        process.WaitForExit().Code.ShouldBe(ExitCode.Good);
    }

    [Theory, InlineData("--every 100ms"), InlineData("--every 1h"), InlineData("--every 100ms --json")]
    public void Behind_head_it_ends_when_its_reader_has_gone(string options)
    {
        using var run = new LiveRun(_folder["run"]);
        Result result = CairnProcess.RunShell("sh", "-c", $"cairn watch {run.Folder} {options} | head -1");
        result.Code.ShouldBe(ExitCode.Good);
        result.Error.ShouldBeEmpty();
        result.Out.Trim().Split('\n').ShouldHaveSingleItem().ShouldContain("training");
    }

    [Fact]
    public void As_json_every_look_is_a_line()
    {
        using var run = new LiveRun(_folder["run"]);
        JsonElement once = JsonDocument.Parse(CairnProcess.Run("watch", run.Folder, "--once", "--json").Out).RootElement;
        once.GetProperty("state").GetString().ShouldBe("training");
        once.GetProperty("step").GetInt64().ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Ctrl_C_ends_it_and_is_no_failure()
    {
        using var run = new LiveRun(_folder["run"]);
        using CairnProcess process = CairnProcess.Start(null, "watch", run.Folder);
        await process.WaitForAsync("step");
        process.Interrupt();
        process.WaitForExit().Code.ShouldBe(ExitCode.Good);
    }

    [Fact]
    public async Task On_a_terminal_it_draws_a_view_with_the_last_saves()
    {
        // It has saved, and does not end before it was looked at.
        using var run = new LiveRun(_folder["run"], new CheckpointOptions { TotalSteps = 300, CheckpointEvery = 100, SnapshotEvery = 20 }, holdAfter: 250);
        using CairnProcess process = CairnProcess.StartOnTerminal(null, null, "watch", run.Folder);
        await process.WaitForAsync("next checkpoint at");
        await process.WaitForAsync("durable after");
        run.Release();
        Result result = process.WaitForExit();
        result.Code.ShouldBe(ExitCode.Good);
        result.Out.ShouldContain("next checkpoint at");
        result.Out.ShouldContain("durable after");
        result.Out.ShouldContain("finished");
        result.Out.ShouldContain("\e[", Case.Sensitive);
    }

    public void Dispose() => _folder.Dispose();
}
