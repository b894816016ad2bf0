using Cairn.Checkpoints;
using Cairn.Cli.Output;
using Cairn.Cli.Tests.Samples;
using Cairn.Cli.Transfer;
using Cairn.Cli.Verification;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Cli.Tests.Verbs;

public sealed class SyncTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Target => _folder["there/run"];

    private string[] CopiesThere() => [.. Catalog.Read(new LocalFileSystem(Target)).Entries.Select(entry => entry.Folder)];

    private static Screen Quiet() => new(TextWriter.Null, TextWriter.Null, isTerminal: false, json: false);

    [Fact]
    public void A_run_comes_over_the_oldest_first_and_a_second_time_nothing_moves()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        File.WriteAllText(run.PathOf("journal.jsonl"), "{\"event\":\"started\"}\n");
        Result first = CairnCall.Run("sync", run.Folder, Target);
        first.Code.ShouldBe(ExitCode.Good, first.Error);
        Golden.Check("sync.txt", first.Out, _folder.Path);
        RunContent.Of(Target).ShouldBe(RunContent.Of(run.Folder));
        File.ReadAllText(Path.Join(Target, "journal.jsonl")).ShouldBe(File.ReadAllText(run.PathOf("journal.jsonl")));
        File.ReadAllText(Path.Join(Target, "run.json")).ShouldBe(File.ReadAllText(run.PathOf("run.json")));
        CairnCall.Run("ls", Target).Out.ShouldContain("A restart takes snapshot/1/.");

        Result again = CairnCall.Run("sync", run.Folder, Target, "--json");
        again.Code.ShouldBe(ExitCode.Good);
        Golden.Check("sync.json", again.Out, _folder.Path);
    }

    [Fact]
    public void What_the_run_did_since_comes_over_too_with_its_branches_and_the_rest_of_its_journal()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        File.WriteAllText(run.PathOf("journal.jsonl"), "{\"event\":\"started\"}\n{\"ev");
        CairnCall.Run("sync", run.Folder, Target).Code.ShouldBe(ExitCode.Good);
        File.ReadAllText(Path.Join(Target, "journal.jsonl")).ShouldBe("{\"event\":\"started\"}\n", "a line that is not whole is not taken");
        File.WriteAllText(run.PathOf("journal.jsonl"), "{\"event\":\"started\"}\n{\"event\":\"ended\"}\n");
        CairnCall.Run("branch", run.Folder, "--from", "200").Code.ShouldBe(ExitCode.Good);
        run.Checkpoint(250, TimeSpan.Zero);
        run.Snapshot(260, TimeSpan.Zero);
        Result result = CairnCall.Run("sync", run.Folder, Target);
        result.Code.ShouldBe(ExitCode.Good, result.Out + result.Error);
        result.Out.ShouldContain("2 copies copied");
        RunContent.Of(Target).ShouldBe(RunContent.Of(run.Folder));
        File.ReadAllText(Path.Join(Target, "journal.jsonl")).ShouldBe(File.ReadAllText(run.PathOf("journal.jsonl")));
        CairnCall.Run("ls", Target).Out.ShouldContain("A restart takes snapshot/");
        RunRecord.Load(new LocalFileSystem(Target))!.Lineage.Current.Id.ShouldBe(1);
    }

    [Fact]
    public void A_journal_of_its_own_is_kept()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]), other = new(Target);
        File.WriteAllText(run.PathOf("journal.jsonl"), "{\"event\":\"started\"}\n");
        File.WriteAllText(other.PathOf("journal.jsonl"), "{\"event\":\"another\"}\n");
        Result result = CairnCall.Run("sync", run.Folder, Target);
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        result.Out.ShouldContain("journal.jsonl of the target is kept");
        File.ReadAllText(other.PathOf("journal.jsonl")).ShouldBe("{\"event\":\"another\"}\n");
    }

    [Fact]
    public void A_damaged_copy_and_one_that_differs_are_named_and_the_others_come()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]), other = new(Target);
        other.Checkpoint(300, TimeSpan.Zero, model: new StateMap { ["other"] = SampleState.Model(1).First().Value });
        SampleDamage.Flip(run.PathOf("100/model_tp0_pp0.safetensors"));
        File.Delete(run.PathOf("200/200.step"));
        Result result = CairnCall.Run("sync", run.Folder, Target);
        result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
        Golden.Check("sync-bad.txt", result.Out, _folder.Path);
        CopiesThere().ShouldBe(["snapshot/1", "300", "snapshot/0"]);
    }

    [Fact]
    public void Nothing_is_removed_unless_asked_and_never_the_newest_good_copy()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("sync", run.Folder, Target, "--checkpoints-only").Code.ShouldBe(ExitCode.Good);
        CopiesThere().ShouldBe(["300", "200", "100"]);
        Directory.Delete(run.PathOf("100"), recursive: true);
        Directory.Delete(run.PathOf("300"), recursive: true);
        CairnCall.Run("sync", run.Folder, Target, "--checkpoints-only").Code.ShouldBe(ExitCode.Good);
        CopiesThere().ShouldBe(["300", "200", "100"]);
        CairnCall.Run("sync", run.Folder, Target, "--checkpoints-only", "--delete", "--dry-run").Out.ShouldContain("removed  100");
        CopiesThere().ShouldBe(["300", "200", "100"]);
        Result result = CairnCall.Run("sync", run.Folder, Target, "--checkpoints-only", "--delete");
        result.Code.ShouldBe(ExitCode.Good, result.Error);
        result.Out.ShouldContain("the newest good copy of the target");
        CopiesThere().ShouldBe(["300", "200"]);
    }

    [Fact]
    public void A_dry_run_writes_nothing()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("cp", run.PathOf("200"), Target).Code.ShouldBe(ExitCode.Good);
        Result result = CairnCall.Run("sync", run.Folder, Target, "--dry-run");
        result.Code.ShouldBe(ExitCode.Good);
        result.Out.ShouldContain("4 copies would be copied");
        CopiesThere().ShouldBe(["200"]);
    }

    [Fact]
    public void Older_snapshots_than_those_of_the_target_are_not_needed()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]), other = new(Target);
        other.Snapshot(400, TimeSpan.Zero);
        other.Snapshot(420, TimeSpan.Zero);
        Result result = CairnCall.Run("sync", run.Folder, Target);
        result.Code.ShouldBe(ExitCode.Good);
        result.Out.ShouldContain("passed over  snapshot/0");
        CopiesThere().ShouldBe(["snapshot/1", "snapshot/0", "300", "200", "100"]);
    }

    [Fact]
    public void One_copy_another_run_and_a_run_that_is_trained_are_refused()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]), other = new(_folder["other"], id: "ffeeddccbbaa99887766554433221100"), same = new(Target);
        CairnCall.Run("sync", run.PathOf("100"), Target).Error.ShouldContain("Give its run, or try: cairn cp");
        CairnCall.Run("sync", run.Folder, other.Folder).Code.ShouldBe(ExitCode.WrongUse);
        CairnCall.Run("sync", run.Folder, run.Folder).Code.ShouldBe(ExitCode.WrongUse);
        using RunLock held = RunLock.Acquire(same.Files, TimeProvider.System, cancellationToken: TestContext.Current.CancellationToken);
        CairnCall.Run("sync", run.Folder, Target).Code.ShouldBe(ExitCode.CouldNot);
    }

    [Fact]
    public void A_run_of_InternLM_comes_over_without_a_marker_of_Cairn()
    {
        string run = SampleFolders.InternLm(_folder["internlm"]);
        Result result = CairnCall.Run("sync", run, Target);
        result.Code.ShouldBe(ExitCode.FoundBad, result.Error);
        result.Out.ShouldContain("damaged  200");
        CopiesThere().ShouldBe(["snapshot/1", "snapshot/0", "100"]);
        Directory.Delete(Path.Join(run, "200"), recursive: true);
        RunContent.Of(Target).ShouldBe(RunContent.Of(run));
        Directory.GetFiles(Target).Select(Path.GetFileName).ShouldBe([RunLock.FileName]);
        CairnCall.Run("sync", run, Target).Out.ShouldContain("0 copies copied, 0 B in ");
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5), InlineData(6), InlineData(7), InlineData(8)]
    public void Given_up_anywhere_it_leaves_a_run_and_goes_on_later(int seed)
    {
        bool isInternLm = seed % 4 == 0;
        string folder = isInternLm ? SampleFolders.InternLm(_folder["run"]) : SampleRun.Usual(_folder["run"]).Folder;
        if (isInternLm)
            Directory.Delete(Path.Join(folder, "200"), recursive: true);
        var source = TransferSource.Open(folder);
        long total = source.Entries.Sum(entry => entry.Marker!.Files.Sum(file => file.Length)) * 2, left = new Random(seed).NextInt64(total);
        using var giveUp = new CancellationTokenSource();
        using (var target = TransferTarget.Open(Target, source))
        {
            CancellationToken token = target.Take(source, Quiet(), giveUp.Token);
            try
            {
                foreach (CatalogEntry entry in source.Entries.OrderBy(entry => entry.Step))
                    target.Bring(source.Files, entry, readBack: true, files => new MeteredFileSource(files, Count), token);
            }
            catch (OperationCanceledException)
            {
                giveUp.IsCancellationRequested.ShouldBeTrue();
            }
        }
        // All that has a name is good.
        IReadOnlyDictionary<string, string> whole = RunContent.Of(folder), brought = RunContent.Of(Target);
        brought.ShouldBeSubsetOf(whole);
        new LocalFileSystem(Target).List(RunFolder.Staging).ShouldBeEmpty();
        CairnCall.Run("sync", folder, Target).Code.ShouldBe(ExitCode.Good);
        RunContent.Of(Target).ShouldBe(whole);

        void Count(long bytes)
        {
            if (Interlocked.Add(ref left, -bytes) < 0)
                giveUp.Cancel();
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Ctrl_C_and_a_kill_leave_a_run_that_the_same_command_goes_on_with(bool isKilled)
    {
        var run = SampleRun.Many(_folder["run"], 150);
        using (CairnProcess process = CairnProcess.Start(null, "sync", run.Folder, Target))
        {
            await process.WaitForAsync("copied  3  ");
            if (isKilled)
                process.Kill();
            else
            {
                process.Interrupt();
                Result result = process.WaitForExit();
                if (result.Code != ExitCode.Good)
                    (result.Code, result.Error).ShouldBe((ExitCode.CouldNot, "What was brought is there; the same command goes on with the rest.\nStopped.\n"));
            }
        }
        RunContent.Of(Target).ShouldBeSubsetOf(RunContent.Of(run.Folder));
        RunContent.Of(Target).Count.ShouldBeGreaterThanOrEqualTo(6);
        Result again = CairnCall.Run("sync", run.Folder, Target);
        again.Code.ShouldBe(ExitCode.Good, again.Error);
        again.Out.ShouldContain("already there  3  ");
        RunContent.Of(Target).ShouldBe(RunContent.Of(run.Folder));
    }

    [Fact]
    public void A_snapshot_that_the_training_replaces_meanwhile_is_read_again_or_passed_over()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        var source = TransferSource.Open(run.Folder);
        _ = source.Entries.Select(entry => entry.Marker).ToArray();
        run.Snapshot(340, TimeSpan.Zero);
        using (var target = TransferTarget.Open(Target, source))
        {
            CancellationToken token = target.Take(source, Quiet(), TestContext.Current.CancellationToken);
            var sync = new RunSync(source, target, checkpointsOnly: false, static _ => { });
            sync.Run(Quiet(), readBack: true, token);
            sync.Rows.ShouldAllBe(row => row.State == RunSync.Copied);
        }
        RunContent.Of(Target).ShouldBe(RunContent.Of(run.Folder));
    }

    [Fact]
    public void A_run_that_is_trained_comes_over_meanwhile()
    {
        using var live = new LiveRun(_folder["run"], new CheckpointOptions { CheckpointEvery = 50, SnapshotEvery = 5, KeepLast = 3 }, holdAfter: 60);
        live.Release();
        for (int times = 0; times < 3; times++)
        {
            Result result = CairnProcess.Run("sync", live.Folder, Target);
            result.Code.ShouldBe(ExitCode.Good, result.Out + result.Error);
            RunContent.Of(Target).ShouldNotBeEmpty();
        }
        CairnCall.Run("verify", Target).Code.ShouldBe(ExitCode.Good);
    }
}
