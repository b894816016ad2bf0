using System.Text;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>Makes small copies of a known content, so that what is found can be compared with what was saved.</summary>
internal sealed class SampleRun(IFileSystem files, string layout = CheckpointLayouts.Default)
{
    static readonly DateTimeOffset Time = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public RunRecord Record { get; set; } = new("run", Time, Lineage.New, null);

    public ILease? Lease { get; set; }

    public CommitProtocol.Result Save(SaveKind kind, long step, float value = 1, bool refuse = true)
    {
        var marker = new Marker
        {
            Step = step,
            Kind = kind,
            Reason = kind == SaveKind.Snapshot ? SaveReason.Snapshot : SaveReason.Interval,
            Run = Record.Id,
            Lineage = Record.Lineage,
            Time = Time,
            Train = new StateMap { { "step_count", step } },
            Layout = layout,
            Files = [],
        };
        return new CommitProtocol(files) { Lease = Lease }.Save(marker, CheckpointLayouts.Of(layout).Plan(step, [("model", Model(step, value)), ("context", new StateMap { { "step", step } })]), refuse);
    }

    public ResumeChoice Choose() => ResumeLadder.Choose(files, Catalog.Read(files), Record, verifyHashes: true);

    static StateMap Model(long step, float value)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(step.ToString("D8", null));
        return new StateMap { { "w", new MemoryTensor(TensorType.U8, [8], bytes) }, { "v", new MemoryTensor(TensorType.F32, [1], BitConverter.GetBytes(value)) } };
    }
}

public class CommitTests
{
    readonly SimulatedFileSystem _files = new();

    protected virtual string Layout => CheckpointLayouts.Default;

    SampleRun Run => field ??= new SampleRun(_files, Layout);

    [Fact]
    public void A_saved_copy_is_found_whole()
    {
        Run.Save(SaveKind.Checkpoint, 250).Bytes.ShouldBePositive();
        CatalogEntry chosen = Run.Choose().Chosen.ShouldNotBeNull();
        (chosen.Step, chosen.Kind, chosen.Folder).ShouldBe((250, SaveKind.Checkpoint, "250"));
    }

    [Fact]
    public void Foreign_files_and_folders_in_a_snapshots_folder_stop_no_later_snapshot()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Run.Save(SaveKind.Snapshot, 20);
        foreach (int slot in (int[])[0, 1])
        {
            _files.CreateFolder($"{RunFolder.Slot(slot)}/.ipynb_checkpoints");
            foreach (string name in (string[])["x:y", "a\\b", "\u202E", ".ipynb_checkpoints/z:1"])
                _files.OpenWrite($"{RunFolder.Slot(slot)}/{name}", 0).Dispose();
        }
        foreach (long step in (long[])[30, 40, 50, 60])
            Run.Save(SaveKind.Snapshot, step);
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([60, 50]);
        Catalog.Read(_files).Entries.ShouldAllBe(entry => entry.Fault == null);
    }

    [Fact]
    public void Snapshots_take_turns_and_only_two_exist()
    {
        foreach (long step in (long[])[10, 20, 30, 40, 50])
            Run.Save(SaveKind.Snapshot, step);
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([50, 40]);
    }

    [Fact]
    public void A_restart_does_not_overwrite_the_newest_snapshot_first()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Run.Save(SaveKind.Snapshot, 20);
        Run.Save(SaveKind.Snapshot, 30);
        new CommitProtocol(_files).Recover();
        new SampleRun(_files, Layout).Save(SaveKind.Snapshot, 40);
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([40, 30]);
    }

    [Fact]
    public void A_damaged_slot_is_overwritten_before_a_good_older_one()
    {
        Run.Save(SaveKind.Snapshot, 10);
        CatalogEntry newer = Run.Save(SaveKind.Snapshot, 20).Entry;
        _files.DeleteFile($"{newer.Folder}/20.step");
        Run.Save(SaveKind.Snapshot, 30);
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([30, 10]);
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
        _files.DeleteFile("500/500.step");
        Run.Save(SaveKind.Checkpoint, 500).Notes.ShouldHaveSingleItem().ShouldContain("abandoned/500");
        _files.List("abandoned/500").ShouldContain(file => file.Name.StartsWith("context.", StringComparison.Ordinal));
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
    public void When_space_is_short_the_older_snapshot_goes_and_never_the_last_good_copy()
    {
        Run.Save(SaveKind.Snapshot, 10);
        long bytes = Run.Save(SaveKind.Snapshot, 20).Bytes;
        LeaveRoom(bytes - Reclaimable("snapshot/0"));
        Run.Save(SaveKind.Checkpoint, 30).Notes.ShouldBe(["the snapshot of step 10 was given up to make room"]);
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([30, 20]);
    }

    [Fact]
    public void Nothing_is_given_up_when_even_that_makes_too_little_room()
    {
        Run.Save(SaveKind.Snapshot, 10);
        long bytes = Run.Save(SaveKind.Snapshot, 20).Bytes;
        LeaveRoom(bytes - Reclaimable("snapshot/0") - 1);
        Should.Throw<StoreException>(() => Run.Save(SaveKind.Checkpoint, 30)).Message.ShouldContain("no room");
        Catalog.Read(_files).Entries.ShouldAllBe(entry => entry.Marker != null);
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([20, 10]);
    }

    [Fact]
    public void A_snapshot_below_a_copy_of_a_line_that_was_left_is_not_given_up()
    {
        long bytes = Run.Save(SaveKind.Checkpoint, 5).Bytes;
        Run.Save(SaveKind.Checkpoint, 10);
        Run.Record = Run.Record with { Lineage = Run.Record.Lineage.Fork(5) };
        Run.Save(SaveKind.Snapshot, 6);
        LeaveRoom(bytes - 1);
        Should.Throw<StoreException>(() => Run.Save(SaveKind.Checkpoint, 7));
        Run.Choose().Chosen!.Step.ShouldBe(6);
    }

    [Fact]
    public void A_snapshot_of_a_line_that_was_left_is_given_up_before_the_lines_own()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Run.Record = Run.Record with { Lineage = Run.Record.Lineage.Fork(5) };
        Run.Save(SaveKind.Checkpoint, 20);
        Run.Save(SaveKind.Snapshot, 15);
        LeaveRoom(Run.Save(SaveKind.Checkpoint, 25).Bytes - 1);
        Run.Save(SaveKind.Checkpoint, 30).Notes.ShouldBe(["the snapshot of step 10 was given up to make room"]);
    }

    [Fact]
    public void Another_runs_snapshot_is_not_given_up_for_room()
    {
        Run.Save(SaveKind.Snapshot, 10);
        RunRecord other = Run.Record;
        Run.Record = other with { Id = "present" };
        LeaveRoom(Run.Save(SaveKind.Checkpoint, 20).Bytes - 1);
        Should.Throw<StoreException>(() => Run.Save(SaveKind.Checkpoint, 30));
        Run.Record = other;
        Run.Choose().Chosen!.Step.ShouldBe(10);
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
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([30, 20]);
        CatalogEntry moved = Catalog.Snapshot(_files, "abandoned/snapshot-40");
        moved.Marker!.Run.ShouldBe(other.Id);
        Verifier.Verify(_files, moved, TestContext.Current.CancellationToken).ShouldBeNull();
    }

    [Fact]
    public void A_damaged_snapshot_above_the_newest_good_copy_is_not_given_up_for_room()
    {
        Run.Save(SaveKind.Snapshot, 10);
        long bytes = Run.Save(SaveKind.Snapshot, 20).Bytes;
        string damaged = _files.AllFiles().Keys.First(name => name.StartsWith("snapshot/1/model_tp0_pp0.", StringComparison.Ordinal));
        int length = _files.AllFiles()[damaged].Length;
        using (IWritableFile file = _files.OpenWrite(damaged, length))
            file.Write(new byte[length]);
        LeaveRoom(bytes - 1);
        Should.Throw<StoreException>(() => Run.Save(SaveKind.Checkpoint, 30));
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([20, 10]);
    }

    [Theory, InlineData(SaveKind.Checkpoint, 0), InlineData(SaveKind.Checkpoint, 1), InlineData(SaveKind.Snapshot, 0), InlineData(SaveKind.Snapshot, 1)]
    public void A_run_that_was_lost_before_a_save_gets_no_file_of_it_and_one_that_was_lost_during_it_no_copy(SaveKind kind, int checks)
    {
        Run.Save(kind, 10);
        int before = _files.Operations.Count;
        Run.Lease = new LostLease(checks);
        Should.Throw<RunLockLostException>(() => Run.Save(kind, 20));
        Catalog.Read(_files).Entries.ShouldHaveSingleItem().Step.ShouldBe(10);
        _files.Operations.Skip(before).Any(operation => operation.Contains("model", StringComparison.Ordinal)).ShouldBe(checks > 0);
    }

    sealed class LostLease(int checks) : ILease
    {
        int _left = checks;

        public string Token => "0123456789abcdef";
        public long Fence => 1;

        public void Check()
        {
            if (_left-- == 0)
                throw new RunLockLostException("lost");
        }
    }

    long Reclaimable(string folder) => ((IFileSystem)_files).ReclaimableBytes(folder);

    // As many bytes as a save needs besides its files, and these.
    void LeaveRoom(long bytes)
    {
        _files.Capacity = long.MaxValue;
        _files.Capacity = long.MaxValue - _files.AvailableBytes()!.Value + (4 << 20) + bytes;
    }
}

/// <summary>The same promises where the marker is not <c>&lt;step&gt;.step</c>.</summary>
public class InternLmCommitTests : CommitTests
{
    protected override string Layout => "internlm";
}
