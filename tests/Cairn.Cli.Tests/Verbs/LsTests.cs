using Cairn.Cli.Tests.Samples;

namespace Cairn.Cli.Tests.Verbs;

public sealed class LsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_run_that_has_saved_nothing_yet_is_no_fault()
    {
        SampleRun run = new(_folder["run"]);
        Result result = CairnCall.Run("ls", run.Folder);
        result.Code.ShouldBe(ExitCode.Good);
        result.Out.ShouldBe($"{run.Folder} holds no checkpoint yet: a restart starts fresh.\n");
    }

    [Fact]
    public void A_run_is_listed_newest_first_and_what_a_restart_takes_is_marked()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result result = CairnCall.Run("ls", run.Folder);
        result.Code.ShouldBe(ExitCode.Good);
        Golden.Check("ls.txt", result.Out, _folder.Path);
    }

    [Fact]
    public async Task What_stands_in_the_fast_folder_and_not_in_the_run_is_listed_and_a_restart_takes_it()
    {
        var training = new SampleTraining();
        var options = new CheckpointOptions { Folder = _folder["run"], FastFolder = _folder["fast"], CheckpointEvery = 10, SnapshotEvery = 0, Asynchronous = false, HandleSignals = false };
        await Should.ThrowAsync<CheckpointException>(async () =>
        {
            await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, training.Train, [training.Weights], Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
            while (training.Train.Step < 10)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
            checkpoints.Complete();
            // From here on the run takes nothing more.
            Directory.Delete(_folder["run/.staging"], recursive: true);
            await File.WriteAllTextAsync(_folder["run/.staging"], "", TestContext.Current.CancellationToken);
            while (training.Train.Step < 20)
            {
                training.Batch();
                checkpoints.AfterBatch();
            }
            checkpoints.Complete();
        });
        Result result = CairnCall.Run("ls", _folder["run"]);
        result.Code.ShouldBe(ExitCode.Good);
        string[] lines = result.Out.Split('\n');
        lines[1].ShouldMatch("^→ +20 +checkpoint .* recoverable");
        lines[2].ShouldMatch("^ +10 +checkpoint .* complete");
        result.Out.ShouldContain("A restart takes " + _folder["fast"]);
        CairnCall.Run("ls", _folder["run"], "--json").Out.ShouldContain("\"status\": \"recoverable\"");
    }

    [Fact]
    public void On_a_terminal_it_is_a_table_with_colour()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Golden.Check("ls-terminal.txt", CairnProcess.RunOnTerminal(null, "ls", run.Folder).Out, _folder.Path);
        CairnProcess.RunOnTerminal(new Dictionary<string, string>(StringComparer.Ordinal) { ["NO_COLOR"] = "1" }, "ls", run.Folder).Out.ShouldNotContain("\e[38");
    }

    [Fact]
    public void As_JSON_every_field_has_its_name()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Golden.Check("ls.json", CairnCall.Run("ls", run.Folder, "--json").Out, _folder.Path);
    }

    [Fact]
    public void What_is_missing_or_wrong_is_said_and_the_next_copy_is_marked()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        File.Delete(run.PathOf("snapshot/1/scheduler.json"));
        File.Delete(run.PathOf("300/300.step"));
        File.WriteAllText(run.PathOf("100/context.json"), "{}");
        Result result = CairnCall.Run("ls", run.Folder);
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("ls-incomplete.txt", result.Out, _folder.Path);
    }

    [Fact]
    public void Only_reading_to_the_end_finds_what_was_altered()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        SampleDamage.Flip(run.PathOf("snapshot/1/model_tp0_pp0.safetensors"));
        CairnCall.Run("ls", run.Folder).Code.ShouldBe(ExitCode.Good);
        Result result = CairnCall.Run("ls", run.Folder, "--verify");
        result.Code.ShouldBe(ExitCode.FoundBad);
        Golden.Check("ls-verify.txt", result.Out, _folder.Path);
    }

    [Theory]
    [InlineData("internlm"), InlineData("trainer"), InlineData("torch"), InlineData("dcp")]
    public void Folders_of_other_programs_are_listed_as_what_they_are(string layout)
    {
        string folder = layout switch
        {
            "internlm" => SampleFolders.InternLm(_folder[layout]),
            "trainer" => SampleFolders.Trainer(_folder[layout]),
            "torch" => SampleFolders.TorchFiles(_folder[layout]),
            _ => SampleFolders.Distributed(),
        };
        Result result = CairnCall.Run("ls", folder);
        result.Code.ShouldBe(layout == "dcp" ? ExitCode.Good : ExitCode.FoundBad);
        Golden.Check($"ls-{layout}.txt", result.Out, _folder.Path);
    }

    [Fact]
    public void One_copy_is_a_list_of_one()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("ls", run.PathOf("200")).Out.ShouldContain("complete");
        CairnCall.Run("ls", run.PathOf("snapshot/0")).Out.ShouldContain("snapshot 0");
        CairnCall.Run("ls", run.PathOf("200/model_tp0_pp0.safetensors")).Out.ShouldContain("1 file");
        // Under another name it is still what its marker says.
        Directory.Move(run.PathOf("200"), _folder["best"]);
        CairnCall.Run("ls", _folder["best"]).Out.ShouldContain("  200  checkpoint");
        SampleFolders.InternLm(_folder["internlm"]);
        SampleFolders.Trainer(_folder["trainer"]);
        foreach (string other in new[] { "internlm/100", "internlm/snapshot/1", "trainer/checkpoint-500" })
            CairnCall.Run("ls", _folder[other], "--json").Out.Split("\"name\"").Length.ShouldBe(2, other);
    }

    [Fact]
    public void What_is_not_there_or_not_known_could_not_be_listed()
    {
        Directory.CreateDirectory(_folder["empty"]);
        foreach ((string path, string reason) in new[] { (_folder["none"], "There is neither a folder nor a file"), (_folder["empty"], "holds no run and no checkpoint that is known") })
        {
            Result result = CairnCall.Run("ls", path);
            (result.Code, result.Out).ShouldBe((ExitCode.CouldNot, ""));
            result.Error.ShouldContain(reason);
        }
    }

    [Fact]
    public void Ten_thousand_checkpoints_are_listed()
    {
        using var folder = new TemporaryFolder(inMemory: true);
        SampleRun run = SampleRun.Many(folder["run"], 10_000);
        Result result = CairnCall.Run("ls", run.Folder);
        result.Code.ShouldBe(ExitCode.Good, result.Out.Split('\n')[1]);
        result.Out.ShouldContain("10,000 checkpoints");
        result.Out.Split('\n').Length.ShouldBe(10_000 + 3);
    }
}
