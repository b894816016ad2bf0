using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Saving;

public class CopyTransferTests
{
    readonly SimulatedFileSystem _disk = new();
    readonly MemoryRunStore _store = new();

    [Theory]
    [InlineData(SaveKind.Checkpoint, "cairn")]
    [InlineData(SaveKind.Snapshot, "cairn")]
    [InlineData(SaveKind.Checkpoint, "internlm")]
    public void A_copy_goes_from_a_disk_to_a_store_and_back_with_every_byte(SaveKind kind, string layout)
    {
        CatalogEntry first = new SampleRun(_disk, layout).Save(kind, 30).Entry;
        CatalogEntry stored = CopyTransfer.Run(_disk, first, new MarkerPublisher(_store), TestContext.Current.CancellationToken).Entry;
        var other = new SimulatedFileSystem();
        SavedCopy back = CopyTransfer.Run(new StoreFiles(_store), stored, new RenamePublisher(other), TestContext.Current.CancellationToken);
        Verifier.Verify(other, back.Entry, TestContext.Current.CancellationToken).ShouldBeNull();
        back.Entry.Marker!.ToBytes().ShouldBe(first.Marker!.ToBytes());
        back.Bytes.ShouldBe(first.Marker.Files.Sum(file => file.Length));
    }

    [Fact]
    public void A_file_that_has_one_hash_whatever_its_length_keeps_it()
    {
        CatalogEntry first = new SampleRun(_disk).Save(SaveKind.Checkpoint, 30).Entry;
        byte[] large = [.. "{}"u8, .. Enumerable.Repeat((byte)' ', 20 << 20)];
        Marker old = first.Marker! with { Files = [.. first.Marker!.Files, new MarkedFile("large.json", large.Length, ChunkHashes.Of(large))] };
        Write("30/large.json", large);
        Write("30/30.step", old.ToBytes());
        CatalogEntry stored = CopyTransfer.Run(_disk, CatalogEntry.At(_disk, "30", SaveKind.Checkpoint, 30), new MarkerPublisher(_store), TestContext.Current.CancellationToken).Entry;
        stored.Marker!.Files[^1].Hashes.Equals(old.Files[^1].Hashes).ShouldBeTrue();
        Verifier.Verify(new StoreFiles(_store), stored, TestContext.Current.CancellationToken).ShouldBeNull();
    }

    [Fact]
    public void What_was_altered_on_its_way_or_before_gets_no_name()
    {
        CatalogEntry first = new SampleRun(_disk).Save(SaveKind.Checkpoint, 30).Entry;
        string damaged = first.Marker!.Files.OrderByDescending(file => file.Length).First().Name;
        byte[] bytes = SmallFile.Read(_disk, $"30/{damaged}", 1 << 20);
        bytes[^1] ^= 1;
        Write($"30/{damaged}", bytes);
        Should.Throw<CorruptCheckpointException>(() => CopyTransfer.Run(_disk, CatalogEntry.At(_disk, "30", SaveKind.Checkpoint, 30), new MarkerPublisher(_store), TestContext.Current.CancellationToken))
            .Path.ShouldBe(damaged);
        _store.Objects.Keys.ShouldBeEmpty();
    }

    void Write(string path, byte[] bytes)
    {
        using IWritableFile file = _disk.OpenWrite(path, bytes.Length);
        file.Write(0, bytes);
        file.Sync();
    }
}
