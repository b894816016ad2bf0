using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Tests.Saving;

/// <summary>What is pinned stays, and is released.</summary>
public class PinTests
{
    static void MustStand(IFileSource files, CheckpointPin pin, string story)
    {
        CatalogEntry copy = Catalog.Read(files).Entries.FirstOrDefault(entry => CopyPins.DigestOf(entry) == pin.Marker).ShouldNotBeNull(story);
        Verifier.Verify(files, copy, TestContext.Current.CancellationToken).ShouldBeNull(story);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_pinned_checkpoint_is_retired_only_when_nobody_needs_it_any_more(bool isStore)
    {
        var ground = new PinGround(isStore);
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
        var ground = new PinGround(isStore);
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
        var ground = new PinGround(isStore);
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
        var ground = new PinGround(isStore: false);
        ground.Run.Save(SaveKind.Checkpoint, 10);
        ground.Disk.CreateFolder(RunFolder.Pins);
        ((IRunFiles)ground.Disk).Put($"{RunFolder.Pins}/10-abc.json", "{\"format\":"u8, durable: true);
        ground.Publisher().Retire(10).ShouldBeFalse();
        CopyPins.Read(ground.Files, default).All.ShouldHaveSingleItem().Why!.ShouldContain("pins/10-abc.json cannot be read");
    }

    [Fact]
    public void A_pin_does_not_pass_to_another_copy_of_its_step()
    {
        var ground = new PinGround(isStore: false);
        ground.Run.Save(SaveKind.Checkpoint, 10);
        CheckpointPin pin = ground.Pin(10);
        ground.Run.Record = ground.Run.Record with { Lineage = ground.Run.Record.Lineage.Fork(5) };
        ground.Run.Save(SaveKind.Checkpoint, 10).Notes.ShouldHaveSingleItem().ShouldContain("abandoned/10");
        ground.Publisher().Retire(10).ShouldBeTrue();
        CopyPins.DigestOf(CatalogEntry.At(ground.Files, "abandoned/10", SaveKind.Checkpoint, 10)).ShouldBe(pin.Marker);
    }

    sealed class ClockOfBefore : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddHours(-1);
    }
}
