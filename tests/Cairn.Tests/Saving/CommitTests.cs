using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

public class CommitTests : PublisherConformance
{
    readonly SimulatedFileSystem _files = new();

    internal override ICopyPublisher Publisher(ILease? lease) => new RenamePublisher(_files, lease);

    protected override void Delete(string path) => _files.DeleteFile(path);

    protected override int Changes => _files.Operations.Count;

    protected override bool Changed(string folder, string name, int since = 0) =>
        _files.Operations.Skip(since).Any(operation => operation.Contains(folder, StringComparison.Ordinal) && operation.Contains(name, StringComparison.Ordinal)) ||
        _files.AllFiles().Keys.Any(path => since == 0 && path.StartsWith(folder + name, StringComparison.Ordinal));

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
    public void A_damaged_snapshot_above_the_newest_good_copy_is_not_given_up_for_room()
    {
        Run.Save(SaveKind.Snapshot, 10);
        long bytes = Run.Save(SaveKind.Snapshot, 20).Bytes;
        string damaged = _files.AllFiles().Keys.First(name => name.StartsWith("snapshot/1/model_tp0_pp0.", StringComparison.Ordinal));
        int length = _files.AllFiles()[damaged].Length;
        using (IWritableFile file = _files.OpenWrite(damaged, length))
            file.Write(0, new byte[length]);
        LeaveRoom(bytes - 1);
        Should.Throw<StoreException>(() => Run.Save(SaveKind.Checkpoint, 30));
        Catalog.Read(_files).Entries.Select(entry => entry.Step).ShouldBe([20, 10]);
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
