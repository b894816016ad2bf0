using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Cli.Tests.Samples;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Verbs;

public sealed class CpTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Target => _folder["there/run"];

    private SampleRun Usual() => SampleRun.Usual(_folder["run"]);

    private string[] CopiesThere() => [.. Catalog.Read(new LocalFileSystem(Target)).Entries.Select(entry => entry.Folder)];

    [Fact]
    public void A_checkpoint_becomes_the_run_in_an_empty_target_and_a_restart_goes_on_from_it()
    {
        SampleRun run = Usual();
        Result result = CairnCall.Run("cp", run.PathOf("200"), Target);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        Golden.Check("cp.txt", result.Out, _folder.Path);
        RunContent.Of(Target).ShouldBe(RunContent.Of(run.Folder).Where(copy => copy.Key.StartsWith("Checkpoint 200", StringComparison.Ordinal)));
        File.ReadAllBytes(Path.Join(Target, "run.json")).ShouldBe(File.ReadAllBytes(run.PathOf("run.json")));
        CairnCall.Run("ls", Target).Out.ShouldContain("A restart takes 200/.");
        CairnCall.Run("verify", Target).Code.ShouldBe(ExitCode.Good);
        Directory.EnumerateFileSystemEntries(Path.Join(Target, RunFolder.Staging)).ShouldBeEmpty();
    }

    [Fact]
    public void Of_a_run_the_newest_good_copy_is_taken_and_a_damaged_newer_one_is_named()
    {
        SampleRun run = Usual();
        SampleDamage.Flip(run.PathOf("snapshot/1/model_tp0_pp0.safetensors"));
        Result result = CairnCall.Run("cp", run.Folder, Target);
        result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
        result.Out.ShouldContain("passed over  snapshot/1: model_tp0_pp0.safetensors of the copy of step 320 was altered");
        result.Out.ShouldContain($"{run.Folder}/300 → {Target}/300");
        CopiesThere().ShouldBe(["300"]);
    }

    [Fact]
    public void A_step_of_a_run_can_be_named_also_a_snapshots()
    {
        SampleRun run = Usual();
        CairnCall.Run("cp", run.Folder, Target, "--step", "280").Code.ShouldBe(ExitCode.Good);
        CopiesThere().ShouldBe(["snapshot/0"]);
        Result none = CairnCall.Run("cp", run.Folder, Target, "--step", "250");
        (none.Code, none.Error).ShouldBe((ExitCode.CouldNot, $"{run.Folder} holds no copy of step 250. Steps there: 320, 300, 280, 200, 100.\n"));
        CairnCall.Run("cp", run.PathOf("100"), Target, "--step", "200").Code.ShouldBe(ExitCode.WrongUse);
    }

    [Fact]
    public void What_is_there_already_is_not_moved_again()
    {
        SampleRun run = Usual();
        CairnCall.Run("cp", run.PathOf("200"), Target).Code.ShouldBe(ExitCode.Good);
        DateTime before = File.GetLastWriteTimeUtc(Path.Join(Target, "200", "200.step"));
        Result again = CairnCall.Run("cp", run.PathOf("200"), Target, "--json");
        again.Code.ShouldBe(ExitCode.Good, again.Error);
        Golden.Check("cp.json", again.Out, _folder.Path);
        File.GetLastWriteTimeUtc(Path.Join(Target, "200", "200.step")).ShouldBe(before);
    }

    [Fact]
    public void Other_content_of_the_same_step_is_refused_and_kept_in_abandoned_by_force()
    {
        SampleRun run = Usual(), other = new(Target);
        other.Checkpoint(200, TimeSpan.Zero, model: new StateMap { ["other"] = SampleState.Model(1).First().Value });
        IReadOnlyDictionary<string, string> before = RunContent.Of(Target);
        Result refused = CairnCall.Run("cp", run.PathOf("200"), Target), planned = CairnCall.Run("cp", run.PathOf("200"), Target, "--dry-run");
        (refused.Code, planned.Code).ShouldBe((ExitCode.CouldNot, ExitCode.CouldNot));
        refused.Error.ShouldContain("holds a checkpoint of step 200 with other content. Nothing was changed. --force moves it to abandoned/");
        RunContent.Of(Target).ShouldBe(before);
        Result forced = CairnCall.Run("cp", run.PathOf("200"), Target, "--force");
        forced.Code.ShouldBe(ExitCode.Good, forced.Error);
        forced.Out.ShouldContain("200/ stood in the way (an earlier process saved it) and is now abandoned/200/");
        CatalogEntry.At(new LocalFileSystem(Path.Join(Target, "abandoned")), "200", Policies.SaveKind.Checkpoint, 200).Fault.ShouldBeNull();
        RunContent.Of(Target).ShouldBe(RunContent.Of(run.Folder).Where(copy => copy.Key.StartsWith("Checkpoint 200", StringComparison.Ordinal)));
    }

    [Fact]
    public void An_incomplete_folder_of_the_step_is_no_copy_and_makes_way()
    {
        SampleRun run = Usual(), other = new(Target);
        Directory.CreateDirectory(other.PathOf("200"));
        File.WriteAllText(other.PathOf("200/context.json"), "{}");
        Result result = CairnCall.Run("cp", run.PathOf("200"), Target);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        result.Out.ShouldContain("is now abandoned/200/");
        File.Exists(other.PathOf("abandoned/200/context.json")).ShouldBeTrue();
    }

    [Fact]
    public void Another_run_in_the_target_is_refused_and_so_is_the_run_itself_a_copy_and_a_file()
    {
        SampleRun run = Usual(), other = new(Target, id: "ffeeddccbbaa99887766554433221100");
        File.WriteAllText(_folder["file"], "");
        foreach (string target in new[] { other.Folder, run.Folder, run.PathOf("100"), _folder["file"] })
        {
            Result refused = CairnCall.Run("cp", run.PathOf("200"), target);
            refused.Code.ShouldBe(ExitCode.WrongUse, target);
            if (target == other.Folder)
                refused.Error.ShouldContain("holds another run (ffeeddccbbaa99887766554433221100)");
        }
        CopiesThere().ShouldBeEmpty();
        File.Exists(Path.Join(Target, RunLock.FileName)).ShouldBeFalse();
    }

    [Fact]
    public void A_run_that_went_another_way_is_refused()
    {
        SampleRun run = Usual();
        CairnCall.Run("cp", run.PathOf("100"), Target).Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("branch", run.Folder, "--from", "200").Code.ShouldBe(ExitCode.Good);
        CairnCall.Run("branch", Target, "--from", "100").Code.ShouldBe(ExitCode.Good);
        Result refused = CairnCall.Run("cp", run.PathOf("200"), Target);
        refused.Code.ShouldBe(ExitCode.WrongUse);
        refused.Error.ShouldContain("went different ways: branch 1");
    }

    [Fact]
    public void A_target_that_is_trained_is_refused_and_a_source_that_is_trained_is_not()
    {
        SampleRun run = Usual(), other = new(Target);
        using (RunLock.Acquire(other.Files, TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken))
        {
            Result refused = CairnCall.Run("cp", run.PathOf("200"), Target);
            refused.Code.ShouldBe(ExitCode.CouldNot);
            refused.Error.ShouldContain("is being written by process");
        }
        using (RunLock.Acquire(run.Files, TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken))
            CairnCall.Run("cp", run.PathOf("200"), Target).Code.ShouldBe(ExitCode.Good);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_damaged_or_incomplete_source_gets_no_name_and_leaves_no_run(bool isCut)
    {
        SampleRun run = Usual();
        if (isCut)
            File.Delete(run.PathOf("200/scheduler.json"));
        else
            SampleDamage.Flip(run.PathOf("200/model_tp0_pp0.safetensors"));
        Result result = CairnCall.Run("cp", run.PathOf("200"), Target);
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Error.ShouldContain(isCut ? "scheduler.json: the file is missing" : "was altered");
        CopiesThere().ShouldBeEmpty();
        File.Exists(Path.Join(Target, "run.json")).ShouldBeFalse();
    }

    [Fact]
    public void A_dry_run_writes_nothing()
    {
        SampleRun run = Usual();
        Result result = CairnCall.Run("cp", run.Folder, Target, "--dry-run");
        result.Code.ShouldBe(ExitCode.Good);
        result.Out.ShouldContain($"would copy  {run.Folder}/snapshot/1 → {Target}  snapshot of step 320");
        Directory.Exists(Target).ShouldBeFalse();
    }

    [Fact]
    public void A_snapshot_does_not_take_the_place_of_a_newer_one()
    {
        SampleRun run = Usual(), other = new(Target);
        other.Snapshot(300, TimeSpan.Zero);
        other.Snapshot(340, TimeSpan.Zero);
        Result result = CairnCall.Run("cp", run.PathOf("snapshot/0"), Target);
        result.Code.ShouldBe(ExitCode.CouldNot);
        result.Error.ShouldContain("holds newer ones");
        CopiesThere().ShouldBe(["snapshot/1", "snapshot/0"]);
    }

    [Fact]
    public void A_copy_without_a_marker_of_Cairn_goes_as_it_is()
    {
        string run = SampleFolders.InternLm(_folder["internlm"]);
        foreach (string copy in new[] { "100", "snapshot/1" })
        {
            Result result = CairnCall.Run("cp", Path.Join(run, copy), Target);
            result.Code.ShouldBe(ExitCode.Good, result.Error);
            foreach (string file in Directory.GetFiles(Path.Join(run, copy)))
            {
                string arrived = copy == "100" ? "100" : "snapshot/0";
                File.ReadAllBytes(Path.Join(Target, arrived, Path.GetFileName(file))).ShouldBe(File.ReadAllBytes(file));
            }
        }
        CairnCall.Run("cp", Path.Join(run, "100"), Target).Out.ShouldStartWith("already there");
        CairnCall.Run("cp", Path.Join(run, "200"), Target).Code.ShouldBe(ExitCode.CouldNot, "it has no marker");
        CairnCall.Run("cp", Usual().PathOf("200"), Target).Code.ShouldBe(ExitCode.WrongUse, "a run of Cairn does not go into a folder of InternLM");
        CairnCall.Run("cp", Path.Join(run, "100"), _folder["run"]).Code.ShouldBe(ExitCode.WrongUse, "nor the other way");
    }

    [Fact]
    public void Wrong_paths_are_said()
    {
        Directory.CreateDirectory(_folder["empty"]);
        CairnCall.Run("cp", _folder["nothing"], Target).Error.ShouldContain("There is no folder");
        CairnCall.Run("cp", _folder["empty"], Target).Error.ShouldContain("is no run and no copy");
        CairnCall.Run("cp", _folder["empty"]).Code.ShouldBe(ExitCode.WrongUse);
        CairnCall.Run("cp", _folder["empty"], "").Code.ShouldBe(ExitCode.WrongUse);
    }

    [Fact]
    public void The_result_says_what_was_done()
    {
        JsonElement result = JsonDocument.Parse(CairnCall.Run("cp", Usual().Folder, Target, "--no-verify", "--json").Out).RootElement;
        (result.GetProperty("state").GetString(), result.GetProperty("copy").GetString(), result.GetProperty("folder").GetString(), result.GetProperty("verified").GetBoolean()).ShouldBe(("copied", "snapshot/1", "snapshot/0", false));
    }
}
