using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Cairn.Formats;
using Cairn.Formats.Safetensors;
using Cairn.State;
using CsCheck;

namespace Cairn.Tests.Formats;

public class SafetensorsTests
{
    private static KeyValuePair<string, StateTensor> Named(string name, StateTensor tensor) => new(name, tensor);

    private static byte[] Bytes(params KeyValuePair<string, StateTensor>[] tensors) => TestTensors.Written(SafetensorsWriter.Plan(tensors).WriteTo);

    private static SafetensorsFile Open(byte[] bytes, int shortRead = int.MaxValue)
    {
        var files = new FilesInMemory(shortRead);
        files.Files["f.safetensors"] = bytes;
        return SafetensorsFile.Open(files, "f.safetensors");
    }

    public static TheoryData<TensorType> Types() => [.. Enum.GetValues<TensorType>().Except([TensorType.C32, TensorType.C128])];

    [Theory, MemberData(nameof(Types))]
    public void A_tensor_of_every_type_comes_back(TensorType type)
    {
        MemoryTensor tensor = TestTensors.Of(type, 2, 4);
        using SafetensorsFile file = Open(Bytes(Named("a", tensor)), shortRead: 3);
        StateTensor read = file.Tensors["a"];
        read.Type.ShouldBe(type);
        read.Shape.ShouldBe([2L, 4L]);
        read.Bytes().ShouldBe(tensor.Bytes());
    }

    [Theory]
    [InlineData(TensorType.C32, "F16")]
    [InlineData(TensorType.C128, "F64")]
    public void A_complex_type_that_the_format_lacks_is_refused_with_what_to_do(TensorType type, string parts)
    {
        string message = Should.Throw<ArgumentException>(() => SafetensorsWriter.Plan([Named("spectrum", TestTensors.Of(type, 2))])).Message;
        message.ShouldContain("'spectrum'");
        message.ShouldContain(type.ToString());
        message.ShouldContain($"as {parts}");
    }

    [Fact]
    public void Tensors_without_dimensions_and_without_elements_come_back()
    {
        MemoryTensor single = TestTensors.Of(TensorType.F32), none = TestTensors.Of(TensorType.I64, 3, 0, 5);
        using SafetensorsFile file = Open(Bytes(Named("none", none), Named("single", single), Named("none2", none)));
        file.Tensors["single"].Shape.ShouldBeEmpty();
        file.Tensors["single"].Bytes().ShouldBe(single.Bytes());
        file.Tensors["none"].Shape.ShouldBe([3L, 0L, 5L]);
        file.Tensors["none2"].ByteLength.ShouldBe(0);
    }

    [Fact]
    public void The_bytes_are_what_the_format_says()
    {
        MemoryTensor small = TestTensors.Of(TensorType.U8, 3), large = TestTensors.Of(TensorType.F64, 2), middle = TestTensors.Of(TensorType.BF16, 1);
        SafetensorsWriter plan = SafetensorsWriter.Plan([Named("s", small), Named("ü/\"m", middle), Named("l", large)],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["z"] = "1", ["a"] = "2" });
        byte[] bytes = TestTensors.Written(plan.WriteTo);

        int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        string header = Encoding.UTF8.GetString(bytes, 8, length);
        header.TrimEnd(' ').ShouldBe("""{"__metadata__":{"a":"2","z":"1"},"l":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"ü/\"m":{"dtype":"BF16","shape":[1],"data_offsets":[16,18]},"s":{"dtype":"U8","shape":[3],"data_offsets":[18,21]}}""");
        ((8 + length) % 4096).ShouldBe(0);
        JsonDocument.Parse(header).RootElement.GetProperty("s").GetProperty("dtype").GetString().ShouldBe("U8");
        bytes[(8 + length)..].ShouldBe([.. large.Bytes(), .. middle.Bytes(), .. small.Bytes()]);
        plan.Length.ShouldBe(bytes.Length);
        foreach (TensorPlacement placement in plan.Tensors)
            bytes.AsSpan((int)placement.Offset, (int)placement.Tensor.ByteLength).ToArray().ShouldBe(placement.Tensor.Bytes());
    }

    [Fact]
    public void Any_range_of_a_planned_file_is_that_of_the_whole()
    {
        StateTensor[] tensors = [TestTensors.Of(TensorType.U8, 3), TestTensors.Of(TensorType.F64, 2), TestTensors.Of(TensorType.F32, 0), new CopyOnlyTensor(TestTensors.Of(TensorType.BF16, 5)), TestTensors.Of(TensorType.I8, 0)];
        SafetensorsWriter plan = SafetensorsWriter.Plan(tensors.Select((tensor, i) => Named($"t{i}", tensor)));
        byte[] whole = TestTensors.Written(plan.WriteTo), part = new byte[whole.Length];
        for (int start = whole.Length - 60; start <= whole.Length; start++)
        {
            for (int length = 0; length <= whole.Length - start; length++)
            {
                plan.Read(start, part.AsSpan(0, length));
                part.AsSpan(0, length).SequenceEqual(whole.AsSpan(start, length)).ShouldBeTrue($"{length} bytes at {start}");
                if (plan.TryGetSpan(start, length, out ReadOnlySpan<byte> span))
                    span.SequenceEqual(whole.AsSpan(start, length)).ShouldBeTrue($"{length} bytes at {start}");
            }
        }
        plan.Read(0, part);
        part.ShouldBe(whole);
        plan.TryGetSpan(plan.Tensors[0].Offset, 16, out _).ShouldBeTrue();
        plan.TryGetSpan(plan.Tensors[0].Offset - 1, 2, out _).ShouldBeFalse();
    }

    [Fact]
    public void A_file_that_another_tool_wrote_in_another_order_is_read()
    {
        const string header = """{"b":{"shape":[1],"x":[{"y":1}],"data_offsets":[2,3],"dtype":"U8"},"__metadata__":null,"a":{"dtype":"I16","shape":[],"data_offsets":[0,2]}}   """;
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        using SafetensorsFile file = Open([.. prefix, .. Encoding.UTF8.GetBytes(header), 1, 2, 3]);
        file.Tensors.Keys.ShouldBe(["a", "b"]);
        file.Tensors["a"].Bytes().ShouldBe([1, 2]);
        file.Tensors["b"].Bytes().ShouldBe([3]);
    }

    [Fact]
    public void Equal_input_gives_equal_bytes_whether_spans_or_copies()
    {
        MemoryTensor a = TestTensors.Of(TensorType.F32, 5), b = TestTensors.Of(TensorType.I64, 2);
        byte[] first = Bytes(Named("a", a), Named("b", b));
        Bytes(Named("a", a), Named("b", b)).ShouldBe(first);
        Bytes(Named("a", new CopyOnlyTensor(a)), Named("b", new CopyOnlyTensor(b))).ShouldBe(first);
    }

    [Fact]
    public void A_large_tensor_is_given_in_blocks_with_its_type_and_name()
    {
        MemoryTensor tensor = TestTensors.Of(TensorType.F32, BlockWriter.BlockLength / 4 + 1);
        foreach (StateTensor source in new StateTensor[] { tensor, new CopyOnlyTensor(tensor) })
        {
            var blocks = new List<int>();
            SafetensorsWriter.Plan([Named("w", source)]).WriteTo((bytes, type, name) =>
            {
                if (type is null)
                    return;
                type.ShouldBe(TensorType.F32);
                name.ShouldBe("w");
                blocks.Add(bytes.Length);
            });
            blocks.ShouldBe([BlockWriter.BlockLength, 4]);
        }
    }

    [Fact]
    public void A_mapped_file_gives_its_bytes_without_a_copy()
    {
        MemoryTensor tensor = TestTensors.Of(TensorType.F32, 100);
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        File.WriteAllBytes(path, Bytes(Named("w", tensor)));
        try
        {
            SafetensorsFile file = SafetensorsFile.Map(path);
            StateTensor mapped = file.Tensors["w"];
            mapped.TryGetSpan(8, 40, out ReadOnlySpan<byte> bytes).ShouldBeTrue();
            bytes.ToArray().ShouldBe(tensor.Bytes()[8..48]);
            mapped.Bytes().ShouldBe(tensor.Bytes());
            Should.Throw<ArgumentOutOfRangeException>(() => mapped.TryGetSpan(390, 20, out _));
            file.Dispose();
            Should.Throw<ObjectDisposedException>(() => mapped.TryGetSpan(0, 4, out _));
            File.WriteAllBytes(path, []);
            Should.Throw<CorruptSafetensorsException>(() => SafetensorsFile.Map(path)).Fault.ShouldBe(SafetensorsFault.FileTooShort);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_file_that_is_cut_after_it_was_opened_is_corrupt()
    {
        var files = new FilesInMemory();
        files.Files["f"] = Bytes(Named("w", TestTensors.Of(TensorType.F32, 4)));
        using SafetensorsFile file = SafetensorsFile.Open(files, "f");
        files.Files["f"] = [];
        CorruptSafetensorsException e = Should.Throw<CorruptSafetensorsException>(() => file.Tensors["w"].Bytes());
        e.Fault.ShouldBe(SafetensorsFault.Truncated);
        e.TensorName.ShouldBe("w");
    }

    [Fact]
    public void Reading_into_a_span_allocates_nothing()
    {
        using SafetensorsFile file = Open(Bytes(Named("w", TestTensors.Of(TensorType.F32, 1 << 18))));
        byte[] target = new byte[1 << 20];
        file.Tensors["w"].CopyTo(0, target);
        long before = GC.GetAllocatedBytesForCurrentThread();
        file.Tensors["w"].CopyTo(0, target);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1024);
    }

    [Fact]
    public void A_read_stays_within_its_tensor()
    {
        using SafetensorsFile file = Open(Bytes(Named("a", TestTensors.Of(TensorType.F32, 4)), Named("b", TestTensors.Of(TensorType.F32, 4))));
        Should.Throw<ArgumentOutOfRangeException>(() => file.Tensors["a"].CopyTo(8, new byte[12]));
        Should.Throw<ArgumentOutOfRangeException>(() => file.Tensors["b"].CopyTo(-4, new byte[4]));
    }

    [Fact]
    public void Names_that_no_reader_could_tell_apart_are_refused()
    {
        MemoryTensor tensor = TestTensors.Of(TensorType.U8, 1);
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Plan([Named("__metadata__", tensor)]));
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Plan([Named("a", tensor), Named("a", tensor)]));
        Should.Throw<ArgumentException>(() => SafetensorsWriter.Plan([Named("\ud800", tensor)]));
    }

    [Fact]
    public void A_bad_header_closes_the_file()
    {
        var files = new FilesInMemory();
        files.Files["f"] = [1, 2, 3];
        Should.Throw<CorruptCheckpointException>(() => SafetensorsFile.Open(files, "f"));
        files.Open.ShouldBe(0);
    }

    [Fact]
    public void A_header_with_any_bytes_altered_is_read_or_corrupt_and_nothing_else()
    {
        byte[] good = TestTensors.Written(SafetensorsWriter.Plan(
            [Named("a", TestTensors.Of(TensorType.F32, 2, 3)), Named("b/c", TestTensors.Of(TensorType.F4, 4)), Named("d", TestTensors.Of(TensorType.I64))],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" }).WriteTo);
        int header = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(good);
        const string likely = "{}[]\",:0123456789-.eE\\u$ \u0000\u00ff";
        Gen<(int, byte)> edit = Gen.Select(Gen.Int[0, header - 1], Gen.OneOf(Gen.Byte, Gen.Int[0, likely.Length - 1].Select(i => (byte)likely[i])));
        edit.Array[1, 4].Sample(edits =>
        {
            byte[] bytes = [.. good];
            foreach ((int at, byte value) in edits)
                bytes[at] = value;
            try
            {
                using SafetensorsFile file = Open(bytes);
                file.Tensors.Values.Sum(t => t.ByteLength).ShouldBe(good.Length - header);
                foreach (StateTensor tensor in file.Tensors.Values)
                    tensor.Bytes();
            }
            catch (CorruptCheckpointException e)
            {
                e.Path.ShouldBe("f.safetensors");
            }
        }, iter: 20_000);
    }

    [Fact]
    public void A_file_cut_anywhere_is_corrupt()
    {
        byte[] good = Bytes(Named("a", TestTensors.Of(TensorType.F32, 2, 3)), Named("b", TestTensors.Of(TensorType.U8, 4)));
        for (int length = 0; length < good.Length; length++)
            Should.Throw<CorruptSafetensorsException>(() => Open(good[..length]));
    }
}
