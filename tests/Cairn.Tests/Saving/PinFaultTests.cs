using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

/// <summary>What is pinned stays, at whatever moment of a retirement or rotation it is pinned, and wherever that is cut off.</summary>
public class PinFaultTests
{
    static void MustStand(IFileSource files, CheckpointPin pin, string story)
    {
        CatalogEntry copy = Catalog.Read(files).Entries.FirstOrDefault(entry => CopyPins.DigestOf(entry) == pin.Marker).ShouldNotBeNull(story);
        Verifier.Verify(files, copy, TestContext.Current.CancellationToken).ShouldBeNull(story);
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
                PinGround ground = Prepared(isStore, canExchange);
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
                PinGround ground = Prepared(isStore, canExchange);
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
                PinGround ground = Prepared(isStore: false, canExchange);
                CheckpointPin? pin = null;
                int from = 0;
                operations = ground.Interrupted(at, () =>
                {
                    pin = ground.TryPin(needed);
                    from = ground.Disk.Operations.Count;
                }, (publisher, _) => Remove(kind, publisher));
                if (pin is null)
                    continue;
                foreach (CrashState state in RandomFaults.Some(ground.Disk.CrashStates(from)))
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
            PinGround ground = Prepared(isStore: false, canExchange: true);
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

    static PinGround Prepared(bool isStore, bool canExchange)
    {
        var ground = new PinGround(isStore, canExchange);
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
}
