using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Tests.Saving;

/// <summary>What every <see cref="ICopyPublisher"/> promises.</summary>
public abstract class PublisherConformance
{
    protected virtual string Layout => CheckpointLayouts.Default;

    internal abstract ICopyPublisher Publisher(ILease? lease);

    /// <summary>The store as a reader sees it.</summary>
    internal IFileSource Files => Publisher(null).Files;

    /// <summary>Removes a file that no publisher would.</summary>
    protected abstract void Delete(string path);

    /// <summary>How many changes the store has seen.</summary>
    protected abstract int Changes { get; }

    /// <summary>Whether the store saw a change of a path like this since then.</summary>
    protected abstract bool Changed(string folder, string name, int since = 0);

    internal SampleRun Run => field ??= new SampleRun(Publisher, Layout);

    [Fact]
    public void A_saved_copy_is_found_whole()
    {
        Run.Save(SaveKind.Checkpoint, 250).Bytes.ShouldBePositive();
        CatalogEntry chosen = Run.Choose().Chosen.ShouldNotBeNull();
        (chosen.Step, chosen.Kind, chosen.Folder).ShouldBe((250, SaveKind.Checkpoint, "250"));
    }

    [Fact]
    public void Snapshots_take_turns_and_only_two_exist()
    {
        foreach (long step in (long[])[10, 20, 30, 40, 50])
            Run.Save(SaveKind.Snapshot, step);
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([50, 40]);
    }

    [Fact]
    public void A_restart_does_not_overwrite_the_newest_snapshot_first()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Run.Save(SaveKind.Snapshot, 20);
        Run.Save(SaveKind.Snapshot, 30);
        Publisher(null).Recover();
        new SampleRun(Publisher, Layout).Save(SaveKind.Snapshot, 40);
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([40, 30]);
    }

    [Fact]
    public void A_damaged_slot_is_overwritten_before_a_good_older_one()
    {
        Run.Save(SaveKind.Snapshot, 10);
        CatalogEntry newer = Run.Save(SaveKind.Snapshot, 20).Entry;
        Delete($"{newer.Folder}/20.step");
        Run.Save(SaveKind.Snapshot, 30);
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([30, 10]);
    }

    [Fact]
    public void At_one_step_the_checkpoint_comes_before_the_snapshot()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Run.Save(SaveKind.Checkpoint, 10);
        Run.Choose().Chosen!.Kind.ShouldBe(SaveKind.Checkpoint);
    }

    [Fact]
    public void A_snapshot_with_a_not_finite_weight_is_refused_and_the_older_ones_stand()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Should.Throw<NonFiniteStateException>(() => Run.Save(SaveKind.Snapshot, 20, float.NaN)).Tensor.ShouldBe("v");
        Run.Choose().Chosen!.Step.ShouldBe(10);
        Run.Save(SaveKind.Snapshot, 20, float.PositiveInfinity, refuse: false).NonFiniteTensor.ShouldBe("v");
        Run.Save(SaveKind.Checkpoint, 30, float.NaN).NonFiniteTensor.ShouldBe("v");
    }

    [Fact]
    public void A_damaged_checkpoint_in_the_way_is_moved_aside_and_never_overwritten()
    {
        Run.Save(SaveKind.Checkpoint, 500);
        Delete("500/500.step");
        Run.Save(SaveKind.Checkpoint, 500).Notes.ShouldHaveSingleItem().ShouldContain("abandoned/500");
        Changed("abandoned/500/", "context.").ShouldBeTrue();
        Run.Choose().Chosen!.Step.ShouldBe(500);
    }

    [Fact]
    public void Steps_of_a_branch_that_was_left_do_not_win()
    {
        Run.Save(SaveKind.Checkpoint, 250);
        Run.Save(SaveKind.Checkpoint, 500);
        Run.Record = Run.Record with { Lineage = Run.Record.Lineage.Fork(250) };
        ResumeChoice choice = Run.Choose();
        choice.Chosen!.Step.ShouldBe(250);
        choice.Abandoned.ShouldHaveSingleItem().Step.ShouldBe(500);
        Run.Save(SaveKind.Checkpoint, 300);
        Run.Choose().Chosen!.Step.ShouldBe(300);
    }

    [Fact]
    public void A_copy_of_another_run_is_passed_over()
    {
        Run.Save(SaveKind.Checkpoint, 250);
        Run.Record = Run.Record with { Id = "other" };
        ResumeChoice choice = Run.Choose();
        choice.Chosen.ShouldBeNull();
        choice.PassedOver.ShouldHaveSingleItem().Reason.ShouldContain("another run");
    }

    [Fact]
    public void Another_runs_snapshot_holds_no_slot_and_is_not_lost()
    {
        Run.Save(SaveKind.Snapshot, 40);
        RunRecord other = Run.Record;
        Run.Record = other with { Id = "present" };
        Run.Save(SaveKind.Snapshot, 10);
        Run.Save(SaveKind.Snapshot, 20).Notes.ShouldHaveSingleItem().ShouldContain("abandoned/snapshot-40");
        Run.Save(SaveKind.Snapshot, 30);
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([30, 20]);
        CatalogEntry moved = Catalog.Snapshot(Files, "abandoned/snapshot-40");
        moved.Marker!.Run.ShouldBe(other.Id);
        Verifier.Verify(Files, moved, TestContext.Current.CancellationToken).ShouldBeNull();
    }

    [Theory, InlineData(SaveKind.Checkpoint, 0), InlineData(SaveKind.Checkpoint, 1), InlineData(SaveKind.Snapshot, 0), InlineData(SaveKind.Snapshot, 1)]
    public void A_run_that_was_lost_before_a_save_gets_no_file_of_it_and_one_that_was_lost_during_it_no_copy(SaveKind kind, int checks)
    {
        Run.Save(kind, 10);
        int before = Changes;
        Run.Lease = new LostLease(checks);
        Should.Throw<RunLockLostException>(() => Run.Save(kind, 20));
        Catalog.Read(Files).Entries.ShouldHaveSingleItem().Step.ShouldBe(10);
        Changed("", "model", before).ShouldBe(checks > 0);
    }

    [Fact]
    public void A_process_that_lost_the_run_retires_nothing()
    {
        Run.Save(SaveKind.Checkpoint, 10);
        Run.Save(SaveKind.Checkpoint, 20);
        Should.Throw<RunLockLostException>(() => Publisher(new LostLease(0)).Retire(10));
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([20, 10]);
        Publisher(new LostLease(1)).Retire(10);
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([20]);
    }

    sealed class LostLease(int checks) : ILease
    {
        int _left = checks;

        public string Token => "0123456789abcdef";
        public long Fence => 1;
        public bool IsLost => _left < 0;
        public RunLockHolder? TookOverFrom => null;
        public void Dispose() { }

        public void Check()
        {
            if (_left-- == 0)
                throw new RunLockLostException("lost");
        }
    }

    [Fact]
    public void A_file_that_has_not_changed_is_shared_and_each_copy_stands_by_itself()
    {
        var run = new SampleRun(Publisher, CheckpointLayouts.Default) { Shares = true };
        run.Save(SaveKind.Checkpoint, 10).SharedBytes.ShouldBe(0);
        int before = Changes;
        SavedCopy second = run.Save(SaveKind.Checkpoint, 20);
        second.SharedBytes.ShouldBe(second.Entry.Marker!.Files.Single(file => file.Name == "base.safetensors").Length);
        Changed("20", "link ", before).ShouldBe(Publisher(null) is RenamePublisher);
        run.Save(SaveKind.Snapshot, 25).SharedBytes.ShouldBe(second.SharedBytes);
        Publisher(null).Retire(10).ShouldBeTrue();
        Publisher(null).Retire(20).ShouldBeTrue();
        run.Choose().Chosen!.Step.ShouldBe(25, "it was read to its end");
        run.Save(SaveKind.Snapshot, 30).SharedBytes.ShouldBe(second.SharedBytes);
        foreach (long step in (long[])[40, 50, 60])
            run.Save(SaveKind.Snapshot, step).SharedBytes.ShouldBe(second.SharedBytes);
        Catalog.Read(Files).Entries.ShouldAllBe(entry => Verifier.Verify(Files, entry) == null);
    }

    [Fact]
    public void What_the_copy_before_lost_is_written_anew()
    {
        var run = new SampleRun(Publisher, CheckpointLayouts.Default) { Shares = true };
        CatalogEntry first = run.Save(SaveKind.Checkpoint, 10).Entry;
        Delete($"{first.Marker!.FilesFolder(first.Folder)}/base.safetensors");
        run.Save(SaveKind.Checkpoint, 20).SharedBytes.ShouldBe(0);
        run.Choose().Chosen!.Step.ShouldBe(20);
        run.Save(SaveKind.Checkpoint, 30).SharedBytes.ShouldBePositive();
    }
}
