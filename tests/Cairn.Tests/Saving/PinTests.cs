using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>What is pinned stays, at whatever moment of a retirement or rotation it is pinned, and wherever that is cut off.</summary>
public class PinTests
{
    /// <summary>A run on a disk or in a store, and another process that does something between two operations of this one.</summary>
    internal sealed class Ground(bool isStore, bool canExchange = true)
    {
        readonly MemoryRunStore _store = new();
        public SimulatedFileSystem Disk { get; } = new() { CanExchange = canExchange };

        public IRunFiles Files => isStore ? new StoreRunFiles(_store) : Disk;

        public ICopyPublisher Publisher(ILease? lease = null) => isStore ? new MarkerPublisher(_store, lease) : new RenamePublisher(Disk, lease);

        public SampleRun Run => field ??= new SampleRun(Publisher);

        /// <summary>Has a process train the run.</summary>
        public IDisposable? BeTrained()
        {
            if (isStore)
                return StoreLease.Acquire(_store, TimeProvider.System, RunLock.DefaultLease, static _ => { }, static _ => { }, TestContext.Current.CancellationToken);
            ((IRunFiles)Disk).Put(RunLock.FileName, RunLockHolder.ThisProcess(TimeProvider.System).ToJson(), durable: false);
            return null;
        }

        /// <summary>Does something with the other process acting before the operation of this number.</summary>
        /// <returns>How many operations there were.</returns>
        public int Interrupted(int at, Action other, Action<ICopyPublisher, IRunFiles> act)
        {
            if (isStore)
            {
                var store = new InterruptedRunStore(_store, at, other);
                act(new MarkerPublisher(store), new StoreRunFiles(store));
                return store.Calls;
            }
            var files = new InterruptedFileSystem(Disk, at, other);
            act(new RenamePublisher(files), files);
            return files.Operations;
        }

        public CheckpointPin Pin(long step, IRunFiles? files = null) => new PinWriter(files ?? Files, TimeProvider.System).Pin(CheckpointPins.CopyOf(Files, step), "test", null);

        public CheckpointPin? TryPin(long step)
        {
            try
            {
                return Pin(step);
            }
            catch (Exception e) when (e is CopyChangedException || e.Message.Contains("no complete copy", StringComparison.Ordinal))
            {
                return null;
            }
        }
    }

    static void MustStand(IFileSource files, CheckpointPin pin, string story)
    {
        CatalogEntry copy = Catalog.Read(files).Entries.FirstOrDefault(entry => CopyPins.DigestOf(entry) == pin.Marker).ShouldNotBeNull(story);
        Verifier.Verify(files, copy, TestContext.Current.CancellationToken).ShouldBeNull(story);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_pinned_checkpoint_is_retired_only_when_nobody_needs_it_any_more(bool isStore)
    {
        var ground = new Ground(isStore);
        ground.Run.Save(SaveKind.Checkpoint, 10);
        ground.Run.Save(SaveKind.Checkpoint, 20);
        CheckpointPin first = ground.Pin(10), second = ground.Pin(10);
        ground.Publisher().Retire(10).ShouldBeFalse();
        new PinWriter(ground.Files, TimeProvider.System).Release(first);
        ground.Publisher().Retire(10).ShouldBeFalse("somebody else needs it as well");
        MustStand(ground.Files, second, "");
        CheckpointPins.Release(ground.Files, 10, TimeProvider.System).ShouldHaveSingleItem().Why.ShouldBe("test");
        ground.Publisher().Retire(10).ShouldBeTrue();
        Catalog.Read(ground.Files).Entries.ShouldHaveSingleItem().Step.ShouldBe(20);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_pin_whose_time_is_over_keeps_nothing_and_is_cleared_away(bool isStore)
    {
        var ground = new Ground(isStore);
        ground.Run.Save(SaveKind.Checkpoint, 10);
        CheckpointPin pin = new PinWriter(ground.Files, new ClockOfBefore()).Pin(CheckpointPins.CopyOf(ground.Files, 10), null, TimeSpan.FromMinutes(1));
        CopyPins.Read(ground.Files, pin.CreatedAt).All.ShouldHaveSingleItem();
        ground.Publisher().Recover();
        ground.Files.FileExists(pin.Path).ShouldBeFalse();
        ground.Publisher().Retire(10).ShouldBeTrue();
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_pinned_snapshot_keeps_its_slot_while_the_other_is_not_the_newest_copy_and_else_moves_to_kept(bool isStore)
    {
        var ground = new Ground(isStore);
        ground.Run.Save(SaveKind.Snapshot, 10);
        ground.Run.Save(SaveKind.Snapshot, 20);
        ground.Run.Save(SaveKind.Checkpoint, 25);
        CheckpointPin pin = ground.Pin(10);
        string slot = CheckpointPins.CopyOf(ground.Files, 10).Folder;
        ground.Run.Save(SaveKind.Snapshot, 30).Notes.ShouldBeEmpty();
        CheckpointPins.CopyOf(ground.Files, 10).Folder.ShouldBe(slot);
        Catalog.Read(ground.Files).Entries.Select(entry => entry.Step).ShouldBe([30, 25, 10]);

        // The other one is the newest now.
        ground.Run.Save(SaveKind.Snapshot, 40).Notes.ShouldHaveSingleItem().ShouldContain("kept/snapshot-10");
        Catalog.Read(ground.Files).Entries.Select(entry => (entry.Step, entry.Folder)).ShouldContain((10, "kept/snapshot-10"));
        MustStand(ground.Files, pin, "");
        ground.Run.Save(SaveKind.Snapshot, 50);
        Catalog.Read(ground.Files).Entries.Select(entry => entry.Step).ShouldBe([50, 40, 25, 10]);

        CheckpointPins.Release(ground.Files, 10, TimeProvider.System).ShouldHaveSingleItem();
        ground.Run.Save(SaveKind.Snapshot, 60);
        Catalog.Read(ground.Files).Entries.Select(entry => entry.Step).ShouldBe([60, 50, 25]);
        ground.Files.List(RunFolder.Kept).ShouldBeEmpty();
    }

    [Fact]
    public void A_pin_that_cannot_be_read_keeps_every_copy_of_its_step()
    {
        var ground = new Ground(isStore: false);
        ground.Run.Save(SaveKind.Checkpoint, 10);
        ground.Disk.CreateFolder(RunFolder.Pins);
        ((IRunFiles)ground.Disk).Put($"{RunFolder.Pins}/10-abc.json", "{\"format\":"u8, durable: true);
        ground.Publisher().Retire(10).ShouldBeFalse();
        CopyPins.Read(ground.Files, default).All.ShouldHaveSingleItem().Why!.ShouldContain("pins/10-abc.json cannot be read");
    }

    [Fact]
    public void A_pin_does_not_pass_to_another_copy_of_its_step()
    {
        var ground = new Ground(isStore: false);
        ground.Run.Save(SaveKind.Checkpoint, 10);
        CheckpointPin pin = ground.Pin(10);
        ground.Run.Record = ground.Run.Record with { Lineage = ground.Run.Record.Lineage.Fork(5) };
        ground.Run.Save(SaveKind.Checkpoint, 10).Notes.ShouldHaveSingleItem().ShouldContain("abandoned/10");
        ground.Publisher().Retire(10).ShouldBeTrue();
        CopyPins.DigestOf(CatalogEntry.At(ground.Files, "abandoned/10", SaveKind.Checkpoint, 10)).ShouldBe(pin.Marker);
    }

    // Whoever was told that a copy is pinned finds it, whenever that was.
    [Theory, InlineData(false, true), InlineData(false, false), InlineData(true, true)]
    public void A_copy_that_is_pinned_at_any_moment_of_its_removal_stays(bool isStore, bool canExchange)
    {
        foreach ((SaveKind kind, long needed) in ((SaveKind, long)[])[(SaveKind.Checkpoint, 15), (SaveKind.Snapshot, 10)])
        {
            (int pinned, int refused) = (0, 0);
            for (int at = 0, operations = 1; at < operations; at++)
            {
                Ground ground = Prepared(isStore, canExchange);
                CheckpointPin? pin = null;
                operations = ground.Interrupted(at, () => pin = ground.TryPin(needed), (publisher, _) => Remove(kind, publisher));
                string story = $"{kind}, before operation {at}";
                if (pin is not null)
                    MustStand(ground.Files, pin, story);
                _ = pin is null ? refused++ : pinned++;
                ground.Run.Choose().Chosen!.Step.ShouldBe(kind == SaveKind.Snapshot ? 30 : 20, story);
            }
            pinned.ShouldBePositive();
            refused.ShouldBePositive();
        }
    }

    [Theory, InlineData(false, true), InlineData(false, false), InlineData(true, true)]
    public void A_copy_that_is_removed_at_any_moment_of_its_pinning_is_not_said_to_be_pinned(bool isStore, bool canExchange)
    {
        foreach ((SaveKind kind, long needed) in ((SaveKind, long)[])[(SaveKind.Checkpoint, 15), (SaveKind.Snapshot, 10)])
        {
            (int pinned, int refused) = (0, 0);
            for (int at = 0, operations = 1; at < operations; at++)
            {
                Ground ground = Prepared(isStore, canExchange);
                CheckpointPin? pin = null;
                operations = ground.Interrupted(at, () => Remove(kind, ground.Publisher()), (_, files) =>
                {
                    try
                    {
                        pin = ground.Pin(needed, files);
                    }
                    catch (CopyChangedException)
                    {
                        // Told so.
                    }
                });
                if (pin is not null)
                    MustStand(ground.Files, pin, $"{kind}, before operation {at}");
                _ = pin is null ? refused++ : pinned++;
            }
            pinned.ShouldBePositive();
            refused.ShouldBePositive();
        }
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_power_cut_at_any_operation_after_a_pin_loses_no_pinned_copy(bool canExchange)
    {
        int states = 0;
        foreach ((SaveKind kind, long needed) in ((SaveKind, long)[])[(SaveKind.Checkpoint, 15), (SaveKind.Snapshot, 10)])
        {
            for (int at = 0, operations = 1; at < operations; at++)
            {
                Ground ground = Prepared(isStore: false, canExchange);
                CheckpointPin? pin = null;
                int from = 0;
                operations = ground.Interrupted(at, () =>
                {
                    pin = ground.TryPin(needed);
                    from = ground.Disk.Operations.Count;
                }, (publisher, _) => Remove(kind, publisher));
                if (pin is null || !RandomFaults.Some([at]).Any())
                    continue;
                foreach (CrashState state in ground.Disk.CrashStates(from))
                {
                    states++;
                    new RenamePublisher(state.FileSystem).Recover();
                    MustStand(state.FileSystem, pin, $"{kind}, pinned before operation {at}; {state.Description}");
                }
            }
        }
        states.ShouldBePositive();
    }

    // Whoever pinned was killed and told nobody, but the run has started since and shows the pin.
    [Fact]
    public void A_pin_that_a_start_finds_outlasts_a_power_cut()
    {
        int found = 0;
        for (int at = 0; ; at++)
        {
            Ground ground = Prepared(isStore: false, canExchange: true);
            var killed = FaultyFileSystem.At(ground.Disk, at, staysBroken: true);
            try
            {
                ground.Pin(15, killed);
                break;
            }
            catch (IOException)
            {
            }
            new RenamePublisher(ground.Disk).Recover();
            if (CopyPins.Read(ground.Disk).All.Count == 0)
                continue;
            foreach (CrashState state in ground.Disk.CrashStates(ground.Disk.Operations.Count))
            {
                found++;
                CopyPins.Read(state.FileSystem).All.ShouldHaveSingleItem($"killed at {at}; {state.Description}");
            }
        }
        found.ShouldBePositive();
    }

    [Fact]
    public void A_kill_at_any_call_after_a_pin_loses_no_pinned_copy_of_a_store()
    {
        foreach ((SaveKind kind, long needed) in ((SaveKind, long)[])[(SaveKind.Checkpoint, 15), (SaveKind.Snapshot, 10)])
        {
            for (int at = 0, calls = 1; at < calls; at++)
            {
                var store = new MemoryRunStore();
                Prepare(new SampleRun(lease => new MarkerPublisher(store, lease)));
                CheckpointPin pin = new PinWriter(new StoreRunFiles(store), TimeProvider.System).Pin(CheckpointPins.CopyOf(new StoreFiles(store), needed), null, null);
                var killed = new MemoryRunStore(store.Objects) { FailsAt = at, IsKilledThere = true };
                try
                {
                    Remove(kind, new MarkerPublisher(killed));
                }
                catch (IOException)
                {
                    // Killed.
                }
                calls = killed.Changes.Count + (killed.Changes.Count > at ? 1 : 0);
                MemoryRunStore left = killed.Copy();
                new MarkerPublisher(left).Recover();
                MustStand(new StoreFiles(left), pin, $"{kind}, killed at call {at}");
            }
        }
    }

    static Ground Prepared(bool isStore, bool canExchange)
    {
        var ground = new Ground(isStore, canExchange);
        Prepare(ground.Run);
        return ground;
    }

    static void Prepare(SampleRun run)
    {
        run.Save(SaveKind.Snapshot, 10);
        run.Save(SaveKind.Checkpoint, 15);
        run.Save(SaveKind.Snapshot, 20);
    }

    static void Remove(SaveKind kind, ICopyPublisher publisher)
    {
        if (kind == SaveKind.Checkpoint)
            publisher.Retire(15);
        else
            new SampleRun(_ => publisher).Save(SaveKind.Snapshot, 30);
    }

    sealed class ClockOfBefore : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddHours(-1);
    }
}
