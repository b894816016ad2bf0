using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Cairn.Checkpoints;

namespace Cairn.Tests.Checkpoints;

public class ChunkHashesTests
{
    [Theory, InlineData(0, 1), InlineData(1, 1), InlineData(10, 1), InlineData(11, 2), InlineData(20, 2), InlineData(21, 3)]
    public void Each_chunk_has_the_hash_of_its_bytes_however_they_came(int length, int chunks)
    {
        byte[] bytes = [.. Enumerable.Range(0, length).Select(i => (byte)(i * 7))];
        for (int step = 1; step <= Math.Max(1, length); step++)
        {
            var hasher = new ChunkHasher(10);
            for (int start = 0; start < length; start += step)
                hasher.Append(bytes.AsSpan(start, Math.Min(step, length - start)));
            ChunkHashes hashes = hasher.Finish();
            hashes.Count.ShouldBe(chunks);
            ChunkHashes.CountOf(length, 10).ShouldBe(chunks);
            for (int i = 0; i < chunks; i++)
                hashes[i].ShouldBe(XxHash128.HashToUInt128(bytes.AsSpan(i * 10, Math.Min(10, length - (i * 10)))));
        }
    }

    [Fact]
    public void Hashes_come_back_as_they_were_written()
    {
        foreach ((ChunkHashes hashes, long length) in new[] { (ChunkHashes.Whole(0x0123), 7L), (ChunkHashes.Of([]), 0L), (ChunkHashes.Of(1L << 40, [1, UInt128.MaxValue]), (1L << 40) + 1) })
            Read(Json(hashes), length).ShouldBe(hashes);
    }

    [Fact]
    public void One_hash_is_the_text_that_the_first_format_had()
    {
        Json(ChunkHashes.Of(16, [0xA])).ShouldBe("""{"xxh3_128":"0000000000000000000000000000000a"}""");
        Json(ChunkHashes.Of([])).ShouldBe("""{"xxh3_128":"99aa06d3014798d86001c324468d497f"}""");
    }

    [Theory]
    [InlineData("""{"xxh3_128": "0"}"""), InlineData("""{"xxh3_128": "0000000000000000000000000000000A"}"""), InlineData("""{"xxh3_128": "-000000000000000000000000000000a"}""")]
    [InlineData("""{"chunk": 0, "xxh3_128": []}"""), InlineData("""{"chunk": -5, "xxh3_128": []}"""), InlineData("""{"chunk": 10, "xxh3_128": []}""")]
    [InlineData("""{"chunk": 10, "xxh3_128": ["0000000000000000000000000000000a"]}"""), InlineData("""{"chunk": 1, "xxh3_128": [1, 2]}""")]
    public void What_are_no_hashes_of_a_file_of_11_bytes_is_refused(string json) =>
        RunFolder.IsMalformed(Should.Throw<Exception>(() => Read(json, 11))).ShouldBeTrue();

    [Fact]
    public void Chunks_grow_with_the_file_but_stay_small_enough_for_several_threads()
    {
        ChunkHashes.ChunkBytesFor(0).ShouldBe(16 << 20);
        ChunkHashes.ChunkBytesFor(64L << 30).ShouldBe(16 << 20);
        ChunkHashes.ChunkBytesFor(100L << 30).ShouldBe(32 << 20);
        ChunkHashes.ChunkBytesFor(long.MaxValue).ShouldBe(64 << 20);
    }

    static string Json(ChunkHashes hashes)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            hashes.Write(json);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    static ChunkHashes Read(string json, long length)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return ChunkHashes.Read(document.RootElement, length);
    }
}
