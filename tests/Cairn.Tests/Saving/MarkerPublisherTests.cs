using System.Text;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

public class MarkerPublisherTests : PublisherConformance
{
    readonly MemoryRunStore _store = new();

    internal override ICopyPublisher Publisher(ILease? lease) => new MarkerPublisher(_store, lease);

    protected override void Delete(string path) => StoreCall.Wait(() => _store.DeleteAsync(path));

    protected override int Changes => _store.Changes.Count;

    protected override bool Changed(string folder, string name, int since = 0) =>
        _store.Changes.Skip(since).Any(change => change.Path.StartsWith(folder, StringComparison.Ordinal) && change.Path.Contains(name, StringComparison.Ordinal));

    [Fact]
    public void Nothing_is_left_of_what_was_replaced_retired_or_given_up()
    {
        foreach (long step in (long[])[10, 20, 30])
            Run.Save(SaveKind.Snapshot, step);
        Run.Save(SaveKind.Checkpoint, 40);
        Run.Save(SaveKind.Checkpoint, 50);
        Should.Throw<NonFiniteStateException>(() => Run.Save(SaveKind.Snapshot, 60, float.NaN));
        Publisher(null).Retire(40);
        CatalogEntry[] entries = [.. Catalog.Read(Files).Entries];
        entries.Select(entry => entry.Step).ShouldBe([50, 30, 20]);
        _store.Objects.Count.ShouldBe(entries.Sum(entry => entry.Marker!.Files.Count + 1));
    }

    [Fact]
    public void A_writer_that_is_late_with_an_earlier_save_harms_no_copy()
    {
        ICopyPublisher late = Publisher(null);
        var notes = new List<string>();
        string place = late.Prepare(MarkerOf(30), 1, isShared: true, notes);
        using IWritableFile file = late.Create(place, "model_tp0_pp0.safetensors", 1);
        Run.Save(SaveKind.Checkpoint, 30);
        file.Write(0, [1]);
        file.Sync();
        CatalogEntry copy = Catalog.Read(Files).Entries.Single();
        Verifier.Verify(Files, copy, TestContext.Current.CancellationToken).ShouldBeNull();
        // Even if it goes on to publish.
        late.Seal(place, MarkerOf(30) with { Files = [] });
        Should.Throw<StoreException>(() => late.Publish(place, MarkerOf(30), [])).Message.ShouldContain("Two programs");
        Run.Choose().Chosen!.Step.ShouldBe(30);
    }

    [Fact]
    public void A_copy_that_is_being_saved_or_removed_is_told_from_one_that_lost_its_marker()
    {
        Run.Save(SaveKind.Checkpoint, 30);
        SaveIntents.AreOf(Files, "30").ShouldBeFalse();
        ICopyPublisher publisher = Publisher(null);
        string place = publisher.Prepare(MarkerOf(40), 1, isShared: true, []);
        using (IWritableFile file = publisher.Create(place, "model_tp0_pp0.safetensors", 1))
        {
            file.Write(0, [1]);
            file.Sync();
        }
        SaveIntents.AreOf(Files, "40").ShouldBeTrue();
        SaveIntents.AreOf(Files, "30").ShouldBeFalse();
        publisher.Discard(place);
        StoreCall.Wait(() => _store.PutAsync(".staging/~1", "retire 30"u8.ToArray()));
        SaveIntents.AreOf(Files, "30").ShouldBeTrue();
        StoreCall.Wait(() => _store.DeleteAsync(".staging/~1"));
        StoreCall.Wait(() => _store.DeleteAsync("30/30.step"));
        SaveIntents.AreOf(Files, "30").ShouldBeFalse();
    }

    [Fact]
    public void A_copy_is_not_promised_while_what_it_replaces_could_not_be_removed()
    {
        foreach (long step in (long[])[10, 20, 30])
            Run.Save(SaveKind.Snapshot, step);
        int removed = _store.Changes.ToList().FindIndex(change => change is (StoreChange.Delete, "snapshot/0/10.step"));
        var store = new MemoryRunStore { FailsAt = removed };
        var run = new SampleRun(lease => new MarkerPublisher(store, lease), Layout);
        run.Save(SaveKind.Snapshot, 10);
        run.Save(SaveKind.Snapshot, 20);
        Should.Throw<IOException>(() => run.Save(SaveKind.Snapshot, 30));
    }

    // For a moment, so that all that comes after the choice of the slot succeeds.
    [Fact]
    public void A_slot_that_the_store_does_not_give_now_is_not_taken_for_a_damaged_one()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Run.Save(SaveKind.Snapshot, 20);
        _store.CannotOpen = path => path.EndsWith("/20.step", StringComparison.Ordinal);
        _store.Before = (_, _) =>
        {
            _store.CannotOpen = static _ => false;
            return ValueTask.CompletedTask;
        };
        Should.Throw<IOException>(() => Run.Save(SaveKind.Snapshot, 30)).Message.ShouldContain("20.step");
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([20, 10]);
        _store.CannotOpen = static _ => false;
        Run.Save(SaveKind.Snapshot, 40);
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([40, 20]);
    }

    [Fact]
    public void A_slot_that_the_store_does_not_give_now_is_not_taken_by_a_copy_of_another_program_either()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Run.Save(SaveKind.Snapshot, 20);
        _store.CannotOpen = path => path.EndsWith("/20.step", StringComparison.Ordinal);
        Marker other = SampleRun.MarkerOf(Run.Record, SaveKind.Snapshot, 30, "internlm");
        Should.Throw<IOException>(() => Publisher(null).TakeAsItIs(other, new Foreign(), [])).Message.ShouldContain("20.step");
        _store.CannotOpen = static _ => false;
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([20, 10]);
    }

    [Fact]
    public void A_save_whose_last_answer_was_lost_can_be_made_again()
    {
        Run.Save(SaveKind.Checkpoint, 30);
        int marker = _store.Changes.ToList().FindIndex(change => change.Path == "30/30.step");
        var store = new MemoryRunStore { FailsAt = marker, LosesAnswer = true, BlindFor = 1 };
        var publisher = new MarkerPublisher(store);
        var run = new SampleRun(_ => publisher, Layout);
        Should.Throw<IOException>(() => run.Save(SaveKind.Checkpoint, 30));
        run.Save(SaveKind.Checkpoint, 30).Notes.ShouldHaveSingleItem().ShouldContain("answer was lost");
        run.Choose().Chosen!.Step.ShouldBe(30);
    }

    [Fact]
    public void What_is_not_of_a_publisher_is_not_removed_at_the_start()
    {
        Put(".staging/~x", "save ../elsewhere");
        Put(".staging/~y", "retire data");
        Put(".staging/large", new string('x', 1000));
        Put("data/~y/file", "1");
        Put("500/~a/of-a-checkpoint-that-is-written-elsewhere", "1");
        Publisher(null).Recover();
        _store.Objects.Keys.Order(StringComparer.Ordinal).ShouldBe(["500/~a/of-a-checkpoint-that-is-written-elsewhere", "data/~y/file"]);
    }

    // In the folder evaluation/ stands another run, which saves just now.
    [Fact]
    public void What_a_dead_process_began_of_copies_is_removed_at_the_start_and_nothing_of_a_run_below_this_one()
    {
        foreach (string path in (string[])["500/~a/model", "snapshot/1/~b/model", "abandoned/400/~c/model", "evaluation/500/~d/model", "data"])
            _ = StoreCall.Wait(() => _store.CreateAsync(path, 1));
        Publisher(null).Recover();
        _store.Unfinished.Keys.Order(StringComparer.Ordinal).ShouldBe(["data", "evaluation/500/~d/model"]);
    }

    // The put of its marker takes so long that another process follows it, goes back and saves into the same slot.
    [Fact]
    public void One_that_lost_the_run_while_its_marker_was_put_removes_nothing_of_the_one_that_followed()
    {
        Run.Save(SaveKind.Snapshot, 10);
        Run.Save(SaveKind.Snapshot, 20);
        var lease = new FencedLease(1);
        var run = new SampleRun(_ => new MarkerPublisher(_store, lease), Layout);
        _store.Before = (change, path) =>
        {
            if (change != StoreChange.TryPut || !path.EndsWith("/90.step", StringComparison.Ordinal))
                return ValueTask.CompletedTask;
            _store.Before = static (_, _) => ValueTask.CompletedTask;
            lease.IsLost = true;
            Publisher(null).Recover();
            Run.Save(SaveKind.Snapshot, 30);
            return ValueTask.CompletedTask;
        };
        Should.Throw<RunLockLostException>(() => run.Save(SaveKind.Snapshot, 90));
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([30, 20]);
        Run.Choose().Chosen!.Step.ShouldBe(30);
    }

    [Theory, InlineData(SaveKind.Checkpoint), InlineData(SaveKind.Snapshot)]
    public void Nothing_goes_at_the_start_while_a_marker_beside_it_cannot_be_understood(SaveKind kind)
    {
        CatalogEntry copy = Run.Save(kind, 30).Entry;
        string marker = $"{copy.Folder}/30.step", attempt = copy.Marker!.Attempt!;
        byte[] bytes = _store.Objects[marker];
        // As a newer version of Cairn might write it, which was killed before it had ended.
        Put(marker, Encoding.UTF8.GetString(bytes).Replace("\"format\": 1", "\"format\": 2", StringComparison.Ordinal));
        Put($".staging/{attempt}", $"save {copy.Folder}");
        Publisher(null).Recover();
        StoreCall.Wait(() => _store.PutAsync(marker, bytes));
        Run.Choose().Chosen!.Step.ShouldBe(30);
    }

    // Its bytes are damaged, so that a snapshot of the same step was taken in its place.
    [Fact]
    public void A_checkpoint_of_an_earlier_process_is_moved_aside_for_a_new_one_of_its_step()
    {
        new SampleRun(_ => new MarkerPublisher(_store, new FencedLease(1)), Layout).Save(SaveKind.Checkpoint, 30);
        var next = new SampleRun(_ => new MarkerPublisher(_store, new FencedLease(2)), Layout);
        next.Save(SaveKind.Checkpoint, 30).Notes.ShouldHaveSingleItem().ShouldContain("an earlier process saved it");
        next.Choose().Chosen!.Marker!.Fence.ShouldBe(2);
    }

    [Fact]
    public void A_snapshot_that_came_from_a_disk_is_replaced_with_all_its_files()
    {
        var disk = new SimulatedFileSystem();
        var saved = new SampleRun(disk, Layout);
        saved.Save(SaveKind.Snapshot, 10);
        saved.Save(SaveKind.Snapshot, 20);
        for (int slot = 0; slot < RunFolder.Slots; slot++)
        {
            foreach (FileSystemEntry file in disk.List(RunFolder.Slot(slot)))
                StoreCall.Wait(() => _store.PutAsync($"{RunFolder.Slot(slot)}/{file.Name}", SmallFile.Read(disk, $"{RunFolder.Slot(slot)}/{file.Name}", 1 << 20)));
        }
        Run.Choose().Chosen!.Step.ShouldBe(20);
        Run.Save(SaveKind.Snapshot, 30);
        Run.Save(SaveKind.Snapshot, 40);
        CatalogEntry[] entries = [.. Catalog.Read(Files).Entries];
        entries.Select(entry => entry.Step).ShouldBe([40, 30]);
        _store.Objects.Count.ShouldBe(entries.Sum(entry => entry.Marker!.Files.Count + 1));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_snapshot_that_is_replaced_while_it_is_read_is_not_called_bad(bool isHeld)
    {
        var store = new MemoryRunStore { ForgetsWhatIsOpen = true };
        var run = new SampleRun(lease => new MarkerPublisher(store, lease), Layout);
        CatalogEntry copy = run.Save(SaveKind.Snapshot, 10).Entry;
        var files = new StoreFiles(store);
        string name = $"{copy.Folder}/{copy.Marker!.Files[0].Name}";
        using HeldCopy held = isHeld ? copy.Hold(files)! : HeldCopy.Open(files, copy.Folder, $"{copy.Folder}/10.step", Marker.MaxLength);
        held.Attempt = copy.Marker.Attempt;
        using IReadableFile file = held.OpenRead(name);
        run.Save(SaveKind.Snapshot, 20);
        run.Save(SaveKind.Snapshot, 30);
        Should.Throw<CopyChangedException>(() => file.Read(0, new byte[1]));
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5), InlineData(6)]
    public void Another_runs_snapshot_is_not_lost_when_its_marker_cannot_be_opened_once(int time)
    {
        Run.Save(SaveKind.Snapshot, 40);
        RunRecord other = Run.Record;
        Run.Record = other with { Id = "present" };
        Run.Save(SaveKind.Snapshot, 10);
        int opened = 0;
        _store.CannotOpen = path => path.StartsWith(RunFolder.Snapshots, StringComparison.Ordinal) && path.EndsWith("/40.step", StringComparison.Ordinal) && ++opened == time;
        try
        {
            Run.Save(SaveKind.Snapshot, 20);
        }
        catch (IOException)
        {
            Run.Save(SaveKind.Snapshot, 20);
        }
        // What was copied in part before stands beside it.
        Files.List(RunFolder.Abandoned).ShouldContain(moved => Verifier.Verify(Files, Catalog.Snapshot(Files, $"{RunFolder.Abandoned}/{moved.Name}"), default) == null);
        Catalog.Read(Files).Entries.Select(entry => entry.Step).ShouldBe([20, 10]);
    }

    sealed class FencedLease(long fence) : ILease
    {
        public string Token => $"{fence:D32}";
        public long Fence => fence;
        public bool IsLost { get; set; }
        public RunLockHolder? TookOverFrom => null;
        public void Dispose() { }

        public void Check()
        {
            if (IsLost)
                throw new RunLockLostException("lost");
        }
    }

    void Put(string path, string content) => StoreCall.Wait(() => _store.PutAsync(path, Encoding.UTF8.GetBytes(content)));

    Marker MarkerOf(long step) => SampleRun.MarkerOf(Run.Record, SaveKind.Checkpoint, step, Layout);

    sealed class Foreign : IUnmarkedCopy
    {
        public IReadOnlyList<FileSystemEntry> Files { get; } = [new("30.step", false, 1)];

        public void Write(FileSystemEntry file, IWritableFile to)
        {
            to.Write(0, [1]);
            to.Sync();
        }

        public void Check(IFileSource files, string place, IEnumerable<FileSystemEntry> some) { }
    }
}

/// <summary>The same promises where the marker is not <c>&lt;step&gt;.step</c> on a disk.</summary>
public class InternLmMarkerPublisherTests : MarkerPublisherTests
{
    protected override string Layout => "internlm";
}
