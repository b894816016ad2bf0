using System.Text.Json;

namespace Cairn.Cli.Tests;

public sealed class PlanVerbTests : IDisposable
{
    private static readonly string[] SevenBillion = ["plan", "--steps", "50000", "--step-time", "1.2s", "--parameters", "7B", "--write-rate", "2GB/s", "--copy-rate", "10GB/s", "--mtbf", "12h", "--space", "2TB"];

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_plan_is_explained()
    {
        Result result = CairnCall.Run(SevenBillion);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        // Its times are computed, not measured: they belong to what is compared.
        Golden.CheckExactly("plan.txt", result.Out);
    }

    [Fact]
    public void A_configuration_of_InternLM_is_judged_with_its_traps()
    {
        File.WriteAllText(_folder["train.py"], """
            CHECKPOINT_EVERY = 50
            SAVE_CKPT_FOLDER = "local:llm_ckpts"
            ckpt = dict(
                enable_save_ckpt=True,
                save_ckpt_folder=SAVE_CKPT_FOLDER,
                checkpoint_every=CHECKPOINT_EVERY * 20,
                oss_snapshot_freq=int(CHECKPOINT_EVERY / 5),
            )
            data = dict(total_steps=500, seq_len=2048)
            """);
        Result result = CairnProcess.RunIn(_folder.Path, "plan", "--check", "train.py", "--step-time", "1s", "--size", "40GB", "--write-rate", "1GB/s");
        result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
        Golden.CheckExactly("plan-check.txt", result.Out);
    }

    [Fact]
    public void A_section_of_JSON_is_found_and_what_is_wrong_in_it_is_said()
    {
        File.WriteAllText(_folder["options.json"], """{ "Logging": {}, "Training": { "Checkpoints": { "TotalSteps": 1000, "CheckpointEvery": 100, "SnapshotEvry": 20 } } }""");
        Result result = CairnCall.Run("plan", "--check", _folder["options.json"], "--step-time", "1s", "--size", "1GB", "--json");
        result.Code.ShouldBe(ExitCode.FoundBad);
        JsonElement json = JsonDocument.Parse(result.Out).RootElement;
        json.GetProperty("failures")[0].GetString()!.ShouldContain("Did you mean 'SnapshotEvery'?");
        json.GetProperty("given").GetProperty("total_steps").GetInt64().ShouldBe(1000);
    }

    [Fact]
    public void A_good_configuration_needs_no_change()
    {
        File.WriteAllText(_folder["options.json"], """{ "TotalSteps": 1000, "CheckpointEvery": 250, "SnapshotEvery": 50 }""");
        Result result = CairnCall.Run("plan", "--check", _folder["options.json"], "--step-time", "1s", "--size", "1GB");
        result.Code.ShouldBe(ExitCode.Good, result.Out);
        result.Out.ShouldContain("Nothing to change.");
    }

    [Fact]
    public void The_interval_that_results_without_one_is_explained()
    {
        File.WriteAllText(_folder["options.json"], """{ "TotalSteps": 50000, "CheckpointEvery": 5000, "snapshot_every": "auto" }""");
        string[] run = ["plan", "--check", "options.json", "--step-time", "1.2s", "--parameters", "7B", "--write-rate", "2GB/s", "--copy-rate", "10GB/s", "--mtbf", "12h"];
        Result result = CairnProcess.RunIn(_folder.Path, run);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        Golden.CheckExactly("plan-auto.txt", result.Out);
        JsonElement json = JsonDocument.Parse(CairnProcess.RunIn(_folder.Path, [.. run, "--json"]).Out).RootElement;
        json.GetProperty("options").TryGetProperty("snapshot_every", out _).ShouldBeFalse();
        json.GetProperty("options").GetProperty("snapshot_stall_budget").GetDouble().ShouldBe(0.01);
        json.GetProperty("snapshots").GetProperty("interval_steps").GetInt64().ShouldBe(809);
    }

    [Theory]
    [InlineData("0.05", ExitCode.Good, "every 4.2s (4 steps): training waits 200ms for each, which is 5 % of that time")]
    [InlineData("0.5", ExitCode.Good, "every 1.2s (1 step): the store has a copy after 1.2s, and the next begins at the end of that step")]
    [InlineData("2", ExitCode.FoundBad, "SnapshotStallBudget must be a share of the time")]
    [InlineData("\"auto\"", ExitCode.FoundBad, "expected a number, found 'auto'")]
    public void A_budget_of_its_own_is_judged(string budget, int code, string says)
    {
        File.WriteAllText(_folder["options.json"], $$"""{ "TotalSteps": 1000, "CheckpointEvery": 250, "SnapshotEvery": "auto", "SnapshotStallBudget": {{budget}} }""");
        Result result = CairnCall.Run("plan", "--check", _folder["options.json"], "--step-time", "1s", "--size", "1GB");
        result.Code.ShouldBe(code, result.Out);
        result.Out.ShouldContain(says);
    }

    [Fact]
    public void What_is_only_noted_asks_for_no_change()
    {
        File.WriteAllText(_folder["options.json"], """{ "TotalSteps": 1010, "CheckpointEvery": 250, "SnapshotEvery": 50 }""");
        Result result = CairnCall.Run("plan", "--check", _folder["options.json"], "--step-time", "1s", "--size", "1GB");
        result.Code.ShouldBe(ExitCode.Good, result.Out);
        result.Out.ShouldContain("is no multiple of 250");
        result.Out.ShouldContain("Nothing to change.");
        result.Out.ShouldNotContain("recommended instead");
    }

    [Fact]
    public void The_disk_is_tried_out_and_left_as_it_was()
    {
        Result result = CairnCall.Run("plan", "--steps", "1000", "--step-time", "1s", "--size", "1GB", "--target", _folder["not/yet/there"], "--json");
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        JsonElement given = JsonDocument.Parse(result.Out).RootElement.GetProperty("given");
        given.GetProperty("write_bytes_per_second").GetDouble().ShouldBeGreaterThan(1e6);
        given.GetProperty("copy_bytes_per_second").GetDouble().ShouldBeGreaterThan(1e8);
        given.GetProperty("space_bytes").GetInt64().ShouldBeGreaterThan(0);
        Directory.EnumerateFileSystemEntries(_folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public void The_size_of_a_checkpoint_that_exists_can_be_taken()
    {
        LiveRun.Make(_folder["run"], new CheckpointOptions { CheckpointEvery = 5 }, 10);
        JsonElement given = JsonDocument.Parse(CairnCall.Run("plan", "--steps", "1000", "--step-time", "1s", "--like", _folder["run"], "--json").Out).RootElement.GetProperty("given");
        long bytes = Directory.EnumerateFiles(_folder["run/10"]).Where(file => !file.EndsWith(".step", StringComparison.Ordinal)).Sum(file => new FileInfo(file).Length);
        given.GetProperty("state_bytes").GetInt64().ShouldBe(bytes);
    }

    [Fact]
    public void On_a_terminal_there_are_frames_and_colours_and_with_NO_COLOR_only_frames()
    {
        Result coloured = CairnProcess.RunOnTerminal(null, SevenBillion);
        coloured.Out.ShouldContain("╭──");
        coloured.Out.ShouldContain("\e[38;5;");
        Result plain = CairnProcess.RunOnTerminal(new Dictionary<string, string>(StringComparer.Ordinal) { ["NO_COLOR"] = "1" }, SevenBillion);
        plain.Out.ShouldContain("╭──");
        plain.Out.ShouldNotContain("\e[38;5;");
        CairnCall.Run(SevenBillion).Out.ShouldNotContain("\e");
    }

    public void Dispose() => _folder.Dispose();
}
