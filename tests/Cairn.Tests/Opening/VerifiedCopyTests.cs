using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Opening;

/// <summary>A resume reads each chunk once: what is loaded is what was verified.</summary>
public class VerifiedCopyTests
{
    private readonly SimulatedFileSystem _disk = new();

    [Theory, InlineData("cairn"), InlineData("internlm")]
    public async Task A_resume_reads_each_file_once(string layout)
    {
        float value = await Save(layout);
        var counted = new CountedReads(_disk);
        (await Resume(counted, layout)).ShouldBe(value);
        Marker marker = Catalog.Read(_disk).Entries[0].Marker!;
        marker.Files.ShouldNotBeEmpty();
        marker.Files.Select(file => (file.Name, counted.Read[$"20/{file.Name}"])).Where(file => file.Name != "20.step")
            .ShouldBe(marker.Files.Select(file => (file.Name, file.Length)).Where(file => file.Name != "20.step"));
    }

    [Fact]
    public async Task A_store_that_gives_other_bytes_the_second_time_cannot_mislead_a_resume()
    {
        float value = await Save("cairn");
        string[] files = [.. Catalog.Read(_disk).Entries[0].Marker!.Files.Select(file => $"20/{file.Name}")];
        (await Resume(new CountedReads(_disk) { Again = (path, bytes) => bytes.AsSpan(0, files.Contains(path) ? bytes.Length : 0).Clear() }, "cairn")).ShouldBe(value);
    }

    [Fact]
    public async Task What_the_system_has_in_memory_is_left_there()
    {
        float value = await Save("cairn");
        var counted = new CountedReads(_disk) { IsCached = true };
        (await Resume(counted, "cairn")).ShouldBe(value);
        Marker marker = Catalog.Read(_disk).Entries[0].Marker!;
        marker.Files.ShouldAllBe(file => counted.Read[$"20/{file.Name}"] > file.Length);
    }

    [Theory, InlineData(0), InlineData(long.MaxValue)]
    public async Task Where_memory_is_short_the_rest_is_read_again(long free)
    {
        float value = await Save("cairn");
        CatalogEntry entry = Catalog.Read(_disk).Entries[0];
        var spare = new SpareMemory(() => (free, 0));
        // The little that is always there.
        spare.TryTake(64 << 20).ShouldBeTrue();
        using var copy = new VerifiedCopy(entry.Hold(_disk)!, entry.Folder, spare);
        Verifier.Verify(copy, entry, World.Single, rank: 0, TestContext.Current.CancellationToken).ShouldBeNull();
        (copy.KeptBytes > 0).ShouldBe(free == long.MaxValue);
        using LoadedCheckpoint opened = CheckpointLayouts.Of("cairn").Open(copy, entry.Folder, entry.Marker!.Files.Select(file => file.Name));
        var weights = new WeightsPart();
        weights.Restore(opened.Load("model"));
        weights.Value.ShouldBe(value);
    }

    [Fact]
    public void A_file_is_read_from_memory_and_from_the_store_chunk_by_chunk()
    {
        byte[] bytes = new byte[100_000];
        Random.Shared.NextBytes(bytes);
        const int Chunk = 4096 * 3;
        var hasher = new ChunkHasher(Chunk);
        hasher.Append(bytes);
        var file = new MarkedFile("f", bytes.Length, hasher.Finish());
        _disk.CreateFolder("1");
        _disk.Append("1/1.step", [1], durable: true);
        _disk.Append("1/f", bytes, durable: true);
        var counted = new CountedReads(_disk);
        using var copy = new VerifiedCopy(HeldCopy.Open(counted, "1", "1/1.step", 100), "1", new SpareMemory(() => (long.MaxValue, 0)));
        MarkedChunk[] chunks = [.. MarkedChunk.Of(file)];
        foreach (MarkedChunk chunk in chunks.Where(chunk => chunk.Index % 2 == 0))
            copy.Verify(chunk, TestContext.Current.CancellationToken).ShouldBeNull();
        long before = counted.Read["1/f"];
        using IReadableFile opened = copy.OpenRead("1/f");
        foreach ((int offset, int length) in ((int, int)[])[(0, 100_000), (4096, 10_000), (Chunk - 1, 2), (99_990, 100), (100_000, 5), (Chunk * 2, Chunk)])
        {
            byte[] read = new byte[length];
            int count = opened.Read(offset, read);
            count.ShouldBe(Math.Min(length, bytes.Length - offset));
            read[..count].ShouldBe(bytes[offset..(offset + count)]);
        }
        (counted.Read["1/f"] - before).ShouldBeLessThan(60_000 + 10_000);
        byte[] rest = new byte[Chunk];
        long after = counted.Read["1/f"];
        opened.Read(Chunk * 2, rest).ShouldBe(Chunk);
        counted.Read["1/f"].ShouldBe(after);
    }

    [Fact]
    public void Each_rank_of_the_same_world_verifies_what_it_goes_on_with()
    {
        new JobOfThreads(_disk).Run(JobTests.Four, rank => JobTests.Run(rank, JobTests.Options(), 10));
        Marker marker = Catalog.Read(_disk).Entries[0].Marker!;
        IReadOnlyDictionary<string, int> writers = CairnLayout.Writers(marker.Files.Select(file => file.Name), JobTests.Four);
        marker.Files.ShouldAllBe(file => writers.ContainsKey(file.Name));
        var all = new List<string>();
        for (int rank = 0; rank < 4; rank++)
        {
            string[] mine = [.. Verifier.Assigned(marker.Files, rank, 4, writers).Select(file => file.Name)];
            mine.ShouldContain(name => name == $"random_{rank}.json");
            mine.ShouldContain(name => name == $"optimizer_tp{rank % 2}_pp0_zo{rank / 2}.safetensors");
            all.AddRange(mine);
        }
        all.Order(StringComparer.Ordinal).ShouldBe(marker.Files.Select(file => file.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void What_no_rank_wrote_is_shared_out_to_those_that_have_least()
    {
        MarkedFile[] files = [File("a", 50), File("b", 40), File("c", 30), File("d", 20), File("e", 10)];
        var readers = new Dictionary<string, int>(StringComparer.Ordinal) { ["a"] = 2, ["e"] = 9 };
        IEnumerable<string> Of(int rank) => Verifier.Assigned(files, rank, 3, readers).Select(file => file.Name);
        string.Join(' ', Of(0)).ShouldBe("b e");
        string.Join(' ', Of(1)).ShouldBe("c d");
        Of(2).ShouldBe(["a"]);

        static MarkedFile File(string name, long length) => new(name, length, ChunkHashes.Of([]));
    }

    private async Task<float> Save(string layout)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(_disk, Options(layout));
        for (int i = 0; i < 20; i++)
        {
            training.Batch();
            checkpoints.AfterBatch();
        }
        checkpoints.Complete().FinalCheckpoint.ShouldBe("20");
        return training.Weights.Value;
    }

    private static async Task<float> Resume(IFileSystem files, string layout)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(files, Options(layout));
        checkpoints.Resume.Step.ShouldBe(20);
        return training.Weights.Value;
    }

    private static CheckpointOptions Options(string layout) => new() { Folder = "run", Layout = layout, CheckpointEvery = 10, SnapshotEvery = 0, HandleSignals = false };
}
