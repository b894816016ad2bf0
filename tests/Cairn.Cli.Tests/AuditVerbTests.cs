using System.Text.Json;
using Cairn.Cli.Tests.Samples;

namespace Cairn.Cli.Tests;

public sealed class AuditVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void The_reported_case_is_told_with_what_to_do()
    {
        SampleFolders.ReportedCase(_folder.Path);
        // The log names the folder, which is found beside it.
        Result result = CairnProcess.RunIn(_folder.Path, "audit", "train.log", "--total-steps", "500");
        result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
        Golden.Check("audit-reported-case.txt", result.Out, _folder.Path);
    }

    [Fact]
    public void A_run_of_Cairn_with_skips_is_fine()
    {
        LiveRun.Make(_folder["run"], new CheckpointOptions { TotalSteps = 100, CheckpointEvery = 50, SnapshotEvery = 10, Asynchronous = false }, 100, overflowAt: [30, 77]);
        Result result = CairnCall.Run("audit", _folder["run"]);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        Golden.Check("audit-run.txt", result.Out, _folder.Path);
    }

    [Fact]
    public void Snapshots_without_an_interval_are_not_missed()
    {
        LiveRun.Make(_folder["run"], new CheckpointOptions { TotalSteps = 60, CheckpointEvery = 20, SnapshotEvery = CheckpointOptions.Auto, Asynchronous = false }, 61, overflowAt: 30);
        Result result = CairnCall.Run("audit", _folder["run"]);
        result.Code.ShouldBe(ExitCode.Good, result.Out);
        result.Out.ShouldContain("when the last save is complete, while saves take at most 1 % of the time");
        JsonElement json = JsonDocument.Parse(CairnCall.Run("audit", _folder["run"], "--json").Out).RootElement;
        json.GetProperty("executed").GetProperty("due_snapshots").GetInt64().ShouldBe(0);
        json.GetProperty("executed").GetProperty("snapshots").GetInt64().ShouldBeGreaterThan(0);
        json.GetProperty("missing").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public void A_missing_final_checkpoint_of_a_run_is_found_on_the_disk()
    {
        LiveRun.Make(_folder["run"], new CheckpointOptions { TotalSteps = 100, CheckpointEvery = 50, SnapshotEvery = 10, Asynchronous = false }, 100);
        Directory.Delete(_folder["run/100"], recursive: true);
        Result result = CairnCall.Run("audit", _folder["run"], "--json");
        result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
        JsonElement finding = JsonDocument.Parse(result.Out).RootElement.GetProperty("findings")[0];
        finding.GetProperty("fault").GetString().ShouldBe("no_final_checkpoint");
        finding.GetProperty("message").GetString()!.ShouldContain("is not there any more");
    }

    [Fact]
    public void Logs_of_a_folder_are_found_and_read_together_with_the_configuration()
    {
        Directory.CreateDirectory(_folder["RUN/7b/logs"]);
        var training = new InternLmTraining(LogForm.Service) { CheckpointEvery = 100, SnapshotEvery = 20, OverflowAt = [5] };
        training.Start();
        training.Train(until: 150);
        File.WriteAllLines(_folder["RUN/7b/logs/main_dp=0_tp=0_pp=0"], training.Lines);
        File.WriteAllLines(_folder["RUN/7b/logs/dp=1_tp=0_pp=0"], training.Lines.Where(line => line.Contains("New Run")));
        File.WriteAllText(_folder["train.py"], "ckpt = dict(checkpoint_every=100, oss_snapshot_freq=20)\ndata = dict(total_steps=500)\n");
        Result result = CairnCall.Run("audit", _folder["RUN"], "--config", _folder["train.py"], "--json");
        JsonElement json = JsonDocument.Parse(result.Out).RootElement;
        json.GetProperty("executed").GetProperty("steps").GetInt64().ShouldBe(149);
        json.GetProperty("configured").GetProperty("total_steps").GetInt64().ShouldBe(500);
        json.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("message").GetString()).ShouldContain(message => message!.Contains("the log ends after 150 of 500 batches"));
    }

    [Fact]
    public void A_link_to_nothing_beside_the_logs_is_passed_over()
    {
        Directory.CreateDirectory(_folder["RUN"]);
        var training = new InternLmTraining(LogForm.Service);
        training.Start();
        training.Train(until: 10);
        File.WriteAllLines(_folder["RUN/train.log"], training.Lines);
        File.CreateSymbolicLink(_folder["RUN/latest"], _folder["gone"]);
        Result result = CairnCall.Run("audit", _folder["RUN"], "--json");
        result.Error.ShouldBeEmpty();
        JsonDocument.Parse(result.Out).RootElement.GetProperty("executed").GetProperty("batches").GetInt64().ShouldBe(10);
    }

    [Fact]
    public void What_tells_of_no_run_is_refused_with_what_to_give()
    {
        File.WriteAllText(_folder["notes.txt"], "shopping list");
        Result result = CairnCall.Run("audit", _folder["notes.txt"]);
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Error.ShouldContain("shows no training");
        CairnCall.Run("audit", _folder["nowhere"]).Error.ShouldContain("Give the folder of a run, or its logs.");
    }

    public void Dispose() => _folder.Dispose();
}
