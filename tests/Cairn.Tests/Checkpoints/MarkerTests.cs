using System.Text;
using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.State;

namespace Cairn.Tests.Checkpoints;

public class MarkerTests
{
    static readonly Marker Sample = new()
    {
        Step = 497,
        Kind = SaveKind.Checkpoint,
        Reason = SaveReason.Final,
        Run = "7f3a",
        Lineage = Lineage.New.Fork(250, "lr2"),
        Parent = 250,
        Time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Train = new StateMap { { "batch", 500L }, { "loss", 0.25 } },
        Files = [new MarkedFile("context.json", 12, ChunkHashes.Whole(0xAB)), new MarkedFile("model_tp0_pp0.safetensors", 25, ChunkHashes.Of(10, [1, 2, UInt128.MaxValue]))],
    };

    [Fact]
    public void A_marker_comes_back_as_it_was_written()
    {
        Marker back = Marker.Parse(Sample.ToBytes(), "497/497.step");
        (back with { Train = Sample.Train, Files = Sample.Files, Lineage = Sample.Lineage }).ShouldBe(Sample);
        back.Files.ShouldBe(Sample.Files);
        back.Lineage.Branches.ShouldBe(Sample.Lineage.Branches);
        back.Lineage.Current.ShouldBe(Sample.Lineage.Current);
        ((StateScalar)back.Train["loss"]).Value.ShouldBe(0.25);
    }

    [Fact]
    public void A_marker_is_json_for_any_tool()
    {
        using JsonDocument document = JsonDocument.Parse(Sample.ToBytes());
        document.RootElement.GetProperty("files")[0].GetProperty("size").GetInt64().ShouldBe(12);
    }

    [Fact]
    public void Any_flipped_bit_is_found()
    {
        byte[] bytes = Sample.ToBytes();
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Should.Throw<CorruptCheckpointException>(() => Marker.Parse(bytes, "497/497.step")).Path.ShouldBe("497/497.step");
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void A_marker_cut_anywhere_is_found()
    {
        byte[] bytes = Sample.ToBytes();
        for (int length = 0; length < bytes.Length; length++)
            Should.Throw<CorruptCheckpointException>(() => Marker.Parse(bytes.AsMemory(0, length), "m"));
    }

    [Theory]
    [InlineData("../secret"), InlineData("a/b"), InlineData(".."), InlineData(""), InlineData("a\\b")]
    public void A_file_outside_the_folder_is_refused(string name)
    {
        Marker lying = Sample with { Files = [new MarkedFile(name, 1, ChunkHashes.Whole(0))] };
        Should.Throw<CorruptCheckpointException>(() => Marker.Parse(lying.ToBytes(), "m")).Message.ShouldContain("no file of a checkpoint");
    }

    [Fact]
    public void A_newer_format_is_named() =>
        Should.Throw<CorruptCheckpointException>(() => Marker.Parse(OfFormat(9, Sample), "m")).Message.ShouldContain("format 9");

    [Fact]
    public void A_marker_of_the_first_format_is_read()
    {
        // There a file had one hash, whatever its length.
        Marker first = Sample with { Files = [new MarkedFile("model_tp0_pp0.safetensors", 1L << 40, ChunkHashes.Whole(0xAB))] };
        Marker.Parse(OfFormat(1, first), "m").Files.ShouldBe(first.Files);
    }

    static byte[] OfFormat(int format, Marker marker)
    {
        string body = Encoding.UTF8.GetString(marker.ToBytes()).Replace("\"format\": 2", $"\"format\": {format}", StringComparison.Ordinal);
        body = body[..body.LastIndexOf(",\n", StringComparison.Ordinal)];
        return Encoding.UTF8.GetBytes($"{body},\n  \"xxh3_128\": \"{Marker.HashOf(Encoding.UTF8.GetBytes(body))}\"\n}}\n");
    }
}
