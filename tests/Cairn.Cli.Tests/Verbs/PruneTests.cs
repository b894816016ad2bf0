using Cairn.Cli.Tests.Samples;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Verbs;

public sealed class PruneTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_plan_is_shown_and_nothing_is_done_until_yes()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result plan = CairnCall.Run("prune", run.Folder, "--keep-last", "2");
        plan.Code.ShouldBe(ExitCode.Good);
        Golden.Check("prune-plan.txt", plan.Out, _folder.Path);
        Directory.Exists(run.PathOf("100")).ShouldBeTrue();
        Golden.Check("prune.txt", CairnCall.Run("prune", run.Folder, "--keep-last", "2", "--yes").Out, _folder.Path);
        Directory.Exists(run.PathOf("100")).ShouldBeFalse();
        File.ReadAllText(run.PathOf("journal.jsonl")).ShouldContain("\"event\":\"retired\",\"step\":100");
        Golden.Check("prune.json", CairnCall.Run("prune", run.Folder, "--keep-best", "1", "--metric", "loss", "--json").Out, _folder.Path);
    }

    [Fact]
    public void The_last_good_copy_stays_whatever_the_rule_says()
    {
        var run = new SampleRun(_folder["run"]);
        foreach (long step in new[] { 100L, 200L, 300L })
            run.Checkpoint(step, TimeSpan.FromHours(1));
        SampleDamage.Flip(run.PathOf("300/model_tp0_pp0.safetensors"));
        Result result = CairnCall.Run("prune", run.Folder, "--keep-every", "1000", "--yes");
        result.Code.ShouldBe(ExitCode.Good);
        result.Out.ShouldContain("200 was read to its end and is good");
        Directory.Exists(run.PathOf("100")).ShouldBeFalse();
        Directory.Exists(run.PathOf("200")).ShouldBeTrue();
    }

    [Fact]
    public void A_metric_that_no_checkpoint_has_removes_nothing()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        Result result = CairnCall.Run("prune", run.Folder, "--keep-best", "1", "--metric", "nope", "--yes");
        result.Code.ShouldBe(ExitCode.WrongUse);
        result.Error.ShouldContain("'nope'");
        result.Error.ShouldContain("loss");
        Directory.Exists(run.PathOf("100")).ShouldBeTrue();
    }

    [Fact]
    public void Another_runs_checkpoint_is_not_removed()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        var other = new SampleRun(_folder["other"], id: "another");
        other.Checkpoint(50, TimeSpan.FromHours(9));
        other.Checkpoint(60, TimeSpan.FromHours(9));
        File.Delete(other.PathOf("60/model_tp0_pp0.safetensors"));
        foreach (string step in (string[])["50", "60"])
            Directory.Move(other.PathOf(step), run.PathOf(step));
        CairnCall.Run("prune", run.Folder, "--keep-last", "2", "--incomplete", "--yes").Out.ShouldContain("of another run");
        Directory.Exists(run.PathOf("50")).ShouldBeTrue();
        Directory.Exists(run.PathOf("60")).ShouldBeTrue();
    }

    [Fact]
    public void A_run_that_is_trained_is_refused_before_its_copies_are_read()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        using (RunLock.Acquire(run.Files, TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken))
        {
            // What would be wrong about the copies says whether they were read.
            Result refused = CairnCall.Run("prune", run.Folder, "--keep-best", "1", "--metric", "none", "--yes");
            refused.Code.ShouldBe(ExitCode.CouldNot, refused.Error);
            refused.Error.ShouldContain("is being written by process");
            CairnCall.Run("prune", run.Folder, "--keep-last", "2").Code.ShouldBe(ExitCode.Good, "a plan changes nothing");
        }
        Directory.Exists(run.PathOf("100")).ShouldBeTrue();
    }

    [Fact]
    public void Without_a_good_copy_nothing_is_removed()
    {
        var run = new SampleRun(_folder["run"]);
        run.Checkpoint(100, TimeSpan.FromHours(1));
        run.Checkpoint(200, TimeSpan.FromHours(1));
        SampleDamage.Flip(run.PathOf("100/model_tp0_pp0.safetensors"));
        SampleDamage.Flip(run.PathOf("200/model_tp0_pp0.safetensors"));
        Result result = CairnCall.Run("prune", run.Folder, "--keep-every", "1000", "--yes");
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Error.ShouldContain("holds no good copy, so nothing is removed");
        Directory.Exists(run.PathOf("100")).ShouldBeTrue();
    }

    [Fact]
    public void Incomplete_folders_go_only_when_asked_and_only_below_the_good_copy()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        run.Checkpoint(400, TimeSpan.FromMinutes(1));
        File.Delete(run.PathOf("100/100.step"));
        File.Delete(run.PathOf("400/400.step"));
        CairnCall.Run("prune", run.Folder, "--keep-last", "2", "--yes").Out.ShouldContain("left for inspection");
        Directory.Exists(run.PathOf("100")).ShouldBeTrue();
        Result result = CairnCall.Run("prune", run.Folder, "--incomplete", "--yes");
        Golden.Check("prune-incomplete.txt", result.Out, _folder.Path);
        Directory.Exists(run.PathOf("100")).ShouldBeFalse();
        Directory.Exists(run.PathOf("400")).ShouldBeTrue();
    }

    [Fact]
    public void A_Trainers_best_model_and_what_is_incomplete_stay()
    {
        string folder = SampleFolders.Trainer(_folder["trainer"]);
        Directory.CreateDirectory(Path.Join(folder, "checkpoint-250"));
        File.Copy(Path.Join(folder, "checkpoint-500/model.safetensors"), Path.Join(folder, "checkpoint-250/model.safetensors"));
        Golden.Check("prune-trainer.txt", CairnCall.Run("prune", folder, "--keep-every", "1000", "--yes").Out, _folder.Path);
        Directory.GetDirectories(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal).ShouldBe(["checkpoint-1000", "checkpoint-1500", "checkpoint-500"]);
    }

    [Fact]
    public void Without_a_rule_it_says_what_to_type()
    {
        Result result = CairnCall.Run("prune", SampleRun.Usual(_folder["run"]).Folder);
        result.Code.ShouldBe(ExitCode.WrongUse);
        result.Error.ShouldContain("--keep-last");
        CairnCall.Run("prune", _folder["run/200"], "--keep-last", "2").Error.ShouldContain("Give the folder that it is in");
        Result few = CairnCall.Run("prune", _folder["run"], "--keep-last", "1");
        few.Code.ShouldBe(ExitCode.WrongUse);
        few.Error.ShouldStartWith("Keep at least the last 2 checkpoints");
        few.Error.ShouldNotContain("Parameter");
        SampleFolders.Trainer(_folder["trainer"]);
        CairnCall.Run("prune", _folder["trainer"], "--keep-best", "1", "--metric", "loss").Error.ShouldContain("only checkpoints of Cairn record them");
    }
}
