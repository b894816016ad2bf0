using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.State;
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

    [Fact]
    public void What_a_store_gives_back_otherwise_gets_no_name()
    {
        CatalogEntry first = new SampleRun(_disk).Save(SaveKind.Checkpoint, 30).Entry;
        Should.Throw<StoreException>(() => CopyTransfer.Run(_disk, first, new MarkerPublisher(_store), former: null, readBack: true, static files => files is StoreFiles ? new AlteredFiles(files) : files, TestContext.Current.CancellationToken))
            .Message.ShouldContain("What arrived in memory:run is not what was sent");
        _store.Objects.Keys.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(SaveKind.Checkpoint)]
    [InlineData(SaveKind.Snapshot)]
    public void A_copy_without_a_marker_of_Cairn_is_brought_file_by_file_or_not_at_all(SaveKind kind)
    {
        var model = new StateMap { { "w", new MemoryTensor(TensorType.F32, [2], new byte[8]) } };
        var context = new StateMap { { "batch_count", 29L }, { "step_count", 30L }, { "inf_nan_skip_batches", 0L } };
        var run = new RunRecord("run", DateTimeOffset.UnixEpoch, Lineage.New, null);
        CatalogEntry saved = new CommitProtocol(_disk).Save(
            SampleRun.MarkerOf(run, kind, 30, "internlm"), CheckpointLayouts.Of("internlm").Plan(30, [("model", model), ("context", context)]), refuseNonFinite: false, TestContext.Current.CancellationToken).Entry;
        _disk.DeleteFile($"{saved.Folder}/{RunFolder.Manifest}");
        _disk.DeleteFile($"{saved.Folder}/cairn.pt");
        CatalogEntry Own() => CatalogEntry.At(_disk, saved.Folder, kind, 30);
        Own().Fault.ShouldBeNull();
        Own().Marker!.IsDerived.ShouldBeTrue();
        Should.Throw<StoreException>(() => UnmarkedTransfer.Run(_disk, Own(), null, new MarkerPublisher(_store), readBack: true, static files => files is StoreFiles ? new AlteredFiles(files) : files, TestContext.Current.CancellationToken));
        _store.Objects.Keys.ShouldBeEmpty();
        CatalogEntry stored = UnmarkedTransfer.Run(_disk, Own(), null, new MarkerPublisher(_store), readBack: true, static files => files, TestContext.Current.CancellationToken).Entry;
        var other = new SimulatedFileSystem();
        CatalogEntry back = UnmarkedTransfer.Run(new StoreFiles(_store), stored, null, new RenamePublisher(other), readBack: true, static files => files, TestContext.Current.CancellationToken).Entry;
        back.Fault.ShouldBeNull();
        foreach (FileSystemEntry file in _disk.List(saved.Folder))
            SmallFile.Read(other, $"{back.Folder}/{file.Name}", 1 << 20).ShouldBe(SmallFile.Read(_disk, $"{saved.Folder}/{file.Name}", 1 << 20));
    }

    // Gives back another last byte than was written.
    private sealed class AlteredFiles(IFileSource inner) : IFileSource
    {
        public string Root => inner.Root;
        public IReadOnlyList<FileSystemEntry> List(string folder) => inner.List(folder);
        public bool FileExists(string path) => inner.FileExists(path);
        public bool FolderExists(string path) => inner.FolderExists(path);
        public IReadableFile OpenRead(string path) => new AlteredFile(inner.OpenRead(path));

        private sealed class AlteredFile(IReadableFile file) : IReadableFile
        {
            public long Length => file.Length;

            public int Read(long offset, Span<byte> destination)
            {
                int read = file.Read(offset, destination);
                if (offset + read == Length)
                    destination[read - 1] ^= 1;
                return read;
            }

            public void Dispose() => file.Dispose();
        }
    }

    void Write(string path, byte[] bytes)
    {
        using IWritableFile file = _disk.OpenWrite(path, bytes.Length);
        file.Write(0, bytes);
        file.Sync();
    }
}
