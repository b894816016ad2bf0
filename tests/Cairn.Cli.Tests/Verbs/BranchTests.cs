using Cairn.Cli.Tests.Samples;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Verbs;

public sealed class BranchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string? NextStart(SampleRun run)
    {
        Catalog catalog = Catalog.Read(run.Files);
        return ResumeLadder.Choose(run.Files, catalog, RunRecord.Load(run.Files)!, verifyHashes: true).Chosen?.Folder;
    }

    [Fact]
    public void The_next_start_goes_on_from_the_older_step_and_the_rest_is_kept()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        NextStart(run).ShouldBe("snapshot/1");
        Result result = CairnCall.Run("branch", run.Folder, "--from", "200", "--name", "colder");
        result.Code.ShouldBe(ExitCode.Good);
        Golden.Check("branch.txt", result.Out, _folder.Path);
        NextStart(run).ShouldBe("200");
        Directory.Exists(run.PathOf("300")).ShouldBeTrue();
        // What the new line saves wins, though the old one came farther.
        run.Checkpoint(250, TimeSpan.FromMinutes(1));
        NextStart(run).ShouldBe("250");
        Golden.Check("ls-branched.txt", CairnCall.Run("ls", run.Folder).Out, _folder.Path);
    }

    [Fact]
    public void A_line_that_was_left_can_be_taken_up_again()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("branch", run.Folder, "--from", "200");
        run.Checkpoint(250, TimeSpan.FromMinutes(1));
        Result result = CairnCall.Run("branch", run.Folder, "--from", "300", "--json");
        result.Code.ShouldBe(ExitCode.Good);
        Golden.Check("branch.json", result.Out, _folder.Path);
        NextStart(run).ShouldBe("300");
    }

    [Fact]
    public void A_step_that_is_not_there_or_not_good_is_refused_and_nothing_changes()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        SampleDamage.Flip(run.PathOf("100/model_tp0_pp0.safetensors"));
        string before = File.ReadAllText(run.PathOf("run.json"));
        Result missing = CairnCall.Run("branch", run.Folder, "--from", "250"), bad = CairnCall.Run("branch", run.Folder, "--from", "100");
        (missing.Code, bad.Code).ShouldBe((ExitCode.CouldNot, ExitCode.CouldNot));
        missing.Error.ShouldContain("Steps there: 320, 300, 280, 200, 100");
        bad.Error.ShouldContain("the file was altered");
        File.ReadAllText(run.PathOf("run.json")).ShouldBe(before);
    }

    [Fact]
    public void A_run_that_is_being_trained_is_not_branched()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        using RunLock held = RunLock.Acquire(run.Files, TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken);
        CairnCall.Run("branch", run.Folder, "--from", "200").Code.ShouldBe(ExitCode.CouldNot);
        NextStart(run).ShouldBe("snapshot/1");
    }
}
