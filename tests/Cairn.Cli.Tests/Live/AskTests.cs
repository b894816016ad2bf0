using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Cli.Tests;

/// <summary><c>cairn save</c> and <c>cairn stop</c> against a run that trains.</summary>
public sealed class AskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_save_is_waited_for_and_training_goes_on()
    {
        using var run = new LiveRun(_folder["run"]);
        Result result = CairnProcess.Run("save", run.Folder, "--json");
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        JsonElement answer = JsonDocument.Parse(result.Out).RootElement;
        answer.GetProperty("state").GetString().ShouldBe("done");
        long step = answer.GetProperty("checkpoint").GetInt64();
        Catalog.Read(new LocalFileSystem(run.Folder)).Entries.ShouldContain(entry => entry.Step == step && entry.Fault == null);
        CairnProcess.Run("save", run.Folder).Out.ShouldStartWith("done  checkpoint ");
    }

    [Fact]
    public async Task A_stop_at_a_step_ends_the_run_with_a_checkpoint()
    {
        // It does not pass the step before it is asked.
        using var run = new LiveRun(_folder["run"], holdAfter: 30);
        using CairnProcess process = CairnProcess.Start(null, "stop", run.Folder, "--at", "700");
        await process.WaitForFileAsync(Path.Combine(run.Folder, RunFolder.Command));
        run.Release();
        Result result = process.WaitForExit();
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        result.Out.ShouldContain("is saved");
        result.Out.ShouldContain("the process has ended");
        run.WaitForTheEnd();
        Catalog.Read(new LocalFileSystem(run.Folder)).Entries[0].Step.ShouldBeGreaterThanOrEqualTo(700);
    }

    [Fact]
    public void Nobody_to_ask_is_said_at_once()
    {
        LiveRun.Make(_folder["run"], new CheckpointOptions { CheckpointEvery = 5 }, 10);
        Result result = CairnProcess.Run("stop", _folder["run"]);
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Error.ShouldContain("No process trains");
        File.Exists(Path.Combine(_folder["run"], RunFolder.Command)).ShouldBeFalse();
    }

    [Fact]
    public void A_question_that_nobody_takes_is_taken_back_after_the_time_out()
    {
        // It holds the lock, and makes no second batch.
        using var run = new LiveRun(_folder["run"], holdAfter: 1);
        Result result = CairnProcess.Run("save", run.Folder, "--timeout", "500ms");
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Out.ShouldContain("timeout  the run has not accepted it after 500ms, and the request was withdrawn");
        File.Exists(Path.Combine(run.Folder, RunFolder.Command)).ShouldBeFalse();
    }

    [Fact]
    public async Task Ctrl_C_takes_the_question_back()
    {
        using var run = new LiveRun(_folder["run"], holdAfter: 1);
        using CairnProcess process = CairnProcess.Start(null, "stop", run.Folder);
        await process.WaitForFileAsync(Path.Combine(run.Folder, RunFolder.Command));
        process.Interrupt();
        Result result = process.WaitForExit();
        (result.Code, result.Error).ShouldBe((ExitCode.CouldNot, "Stopped.\n"));
        File.Exists(Path.Combine(run.Folder, RunFolder.Command)).ShouldBeFalse();
    }

    [Fact]
    public void What_is_accepted_and_lies_ahead_need_not_be_waited_for()
    {
        using var run = new LiveRun(_folder["run"]);
        Result result = CairnProcess.Run("stop", run.Folder, "--at", "100000000", "--no-wait");
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        result.Out.ShouldStartWith("accepted  at step ");
    }

    public void Dispose() => _folder.Dispose();
}
