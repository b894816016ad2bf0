using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Tests.Opening;

public class ChunkCheckTests
{
    static readonly byte[] Bytes = [.. Enumerable.Range(0, 25).Select(i => (byte)i)];

    [Theory, InlineData(0, 10), InlineData(9, 10), InlineData(10, 10), InlineData(24, 10), InlineData(24, 25)]
    public void The_chunk_with_a_flipped_bit_is_named_and_only_that_one(int at, int chunkBytes)
    {
        var hasher = new ChunkHasher(chunkBytes);
        hasher.Append(Bytes);
        var marked = new MarkedFile("f", Bytes.Length, hasher.Finish());
        byte[] altered = [.. Bytes];
        altered[at] ^= 4;
        FaultsOf(marked, Bytes).ShouldAllBe(fault => fault == null);
        string?[] faults = FaultsOf(marked, altered);
        faults.Length.ShouldBe((Bytes.Length + chunkBytes - 1) / chunkBytes);
        for (int i = 0; i < faults.Length; i++)
            (faults[i] is null).ShouldBe(i != at / chunkBytes);
        if (faults.Length > 1)
            faults[at / chunkBytes]!.ShouldContain($"between its bytes {at / chunkBytes * chunkBytes} and {Math.Min(Bytes.Length, (at / chunkBytes + 1) * chunkBytes)}");
    }

    [Fact]
    public void A_file_that_ends_early_is_said_to()
    {
        var marked = new MarkedFile("f", Bytes.Length, ChunkHashes.Of(Bytes));
        FaultsOf(marked, Bytes[..7]).ShouldBe(["the file ends after 7 of 25 bytes"]);
    }

    static string?[] FaultsOf(MarkedFile marked, byte[] bytes) =>
        [.. MarkedChunk.Of(marked).Select(chunk => ChunkCheck.FaultOf(chunk, new MemoryFile(bytes), read: null, TestContext.Current.CancellationToken))];
}
