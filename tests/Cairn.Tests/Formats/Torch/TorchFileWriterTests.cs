using System.IO.Compression;
using System.IO.Hashing;
using Cairn.Formats;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Tests.Formats.Torch;

public class TorchFileWriterTests
{
    private static readonly TorchMap Sample = new()
    {
        ["weight"] = new TorchTensorValue(TestTensors.Of(TensorType.F32, 3, 5)),
        ["bias"] = new TorchTensorValue(TestTensors.Of(TensorType.I64, 3)),
        ["empty"] = new TorchTensorValue(TestTensors.Of(TensorType.F16, 0)),
        ["step"] = 7,
    };

    [Fact]
    public void The_file_is_as_long_as_planned_and_a_second_writing_is_equal()
    {
        TorchFileWriter file = TorchFileWriter.Plan(Sample, "model");
        byte[] first = TestTensors.Written(file.WriteTo);
        first.LongLength.ShouldBe(file.Length);
        TestTensors.Written(file.WriteTo).ShouldBe(first);
        TestTensors.Written(TorchFileWriter.Plan(Sample, "model").WriteTo).ShouldBe(first);
    }

    [Fact]
    public void Records_have_the_names_of_PyTorch_and_good_checksums()
    {
        byte[] bytes = TestTensors.Written(TorchFileWriter.Plan(Sample, "model").WriteTo);
        using var archive = new ZipArchive(new MemoryStream(bytes));
        archive.Entries.Select(entry => entry.FullName).ShouldBe(["model/data.pkl", "model/byteorder", "model/data/0", "model/data/1", "model/data/2", "model/version"]);
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            using var content = new MemoryStream();
            using (Stream stream = entry.Open())
                stream.CopyTo(content);
            Crc32.HashToUInt32(content.ToArray()).ShouldBe(entry.Crc32, entry.FullName);
            entry.CompressedLength.ShouldBe(entry.Length);
        }
    }

    [Fact]
    public void Tensors_lie_where_the_plan_says_at_multiples_of_64()
    {
        TorchFileWriter file = TorchFileWriter.Plan(Sample, "a name of some length");
        byte[] bytes = TestTensors.Written(file.WriteTo);
        file.Tensors.Select(tensor => tensor.Name).ShouldBe(["weight", "bias", "empty"]);
        foreach (TensorPlacement placement in file.Tensors)
        {
            (placement.Offset % 64).ShouldBe(0);
            bytes.AsSpan((int)placement.Offset, (int)placement.Tensor.ByteLength).ToArray().ShouldBe(placement.Tensor.Bytes());
        }
    }

    [Fact]
    public void Blocks_of_a_tensor_carry_its_type_and_path()
    {
        var blocks = new List<(int Length, TensorType? Type, string? Name)>();
        var root = new TorchMap { ["layers"] = new TorchList(TorchListKind.List, [new TorchTensorValue(TestTensors.Of(TensorType.BF16, (BlockWriter.BlockLength / 2) + 8))]) };
        TorchFileWriter.Plan(root, "x").WriteTo((bytes, type, name) => blocks.Add((bytes.Length, type, name)));
        blocks.Where(block => block.Type is not null).ShouldBe([(BlockWriter.BlockLength, TensorType.BF16, "layers/0"), (16, TensorType.BF16, "layers/0")]);
    }

    [Fact]
    public void A_tensor_without_memory_is_written_too()
    {
        MemoryTensor source = TestTensors.Of(TensorType.F32, 100);
        byte[] expected = TestTensors.Written(TorchFileWriter.Plan(new TorchTensorValue(source), "x").WriteTo);
        TestTensors.Written(TorchFileWriter.Plan(new TorchTensorValue(new CopyOnlyTensor(source)), "x").WriteTo).ShouldBe(expected);
    }

    [Fact]
    public void Tensors_of_the_same_bytes_are_stored_once_however_the_tie_was_made()
    {
        MemoryTensor tied = TestTensors.Of(TensorType.F32, 4);
        var root = new TorchMap { ["one"] = new TorchTensorValue(tied), ["two"] = new TorchTensorValue(tied) };
        TorchFileWriter.Plan(root, "x").Tensors.Count.ShouldBe(1);
    }

    [Fact]
    public void A_value_that_must_not_be_in_a_file_is_refused_with_its_path()
    {
        Refused(new TorchList(TorchListKind.FrozenSet, [1L])).ShouldContain("frozenset");
        Refused(new TorchGlobal("os", "system")).ShouldContain("os.system");
        Refused(new TorchObject(new TorchGlobal("builtins", "eval"), new TorchList(TorchListKind.Tuple, ["1"]))).ShouldContain("builtins.eval");
        Refused(new TorchObject(new TorchGlobal("torch", "device"), new TorchList(TorchListKind.Tuple, ["cpu"]), isOpaque: true)).ShouldContain("torch.device");
        Refused(new TorchTensorValue(TestTensors.Of(TensorType.F4, 2))).ShouldContain("F4");
        Refused(new TorchMap { Attributes = [] }).ShouldContain("attributes");

        static string Refused(TorchValue value)
        {
            string message = Should.Throw<ArgumentException>(() => TorchFileWriter.Plan(new TorchMap { ["a"] = new TorchList(TorchListKind.List, [1L, value]) }, "x")).Message;
            message.ShouldContain("'a/1'");
            return message;
        }
    }

    [Fact]
    public void A_view_that_leaves_its_storage_is_refused()
    {
        MemoryTensor storage = TestTensors.Of(TensorType.F32, 8);
        MemoryTensor shown = TestTensors.Of(TensorType.F32, 4);
        Plan(4, [1]).ShouldNotThrow();
        Plan(5, [1]).ShouldThrow<ArgumentException>().Message.ShouldContain("element 8 of a storage of 8");
        Plan(0, [3]).ShouldThrow<ArgumentException>();
        Plan(-1, [1]).ShouldThrow<ArgumentException>();
        Plan(3, [-1]).ShouldThrow<ArgumentException>().Message.ShouldContain("negative stride");
        Plan(0, [1, 1]).ShouldThrow<ArgumentException>().Message.ShouldContain("1 sizes and 2 strides");

        Action Plan(long offset, long[] strides) => () => TorchFileWriter.Plan(new TorchTensorValue(shown, new TorchStorage(storage), offset, strides), "x");
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("..")]
    [InlineData("a\0b")]
    public void An_archive_has_the_name_of_one_folder(string name) =>
        Should.Throw<ArgumentException>(() => TorchFileWriter.Plan(Sample, name));

    [Fact]
    public void A_value_without_end_is_refused_and_not_followed()
    {
        var tuple = new TorchList(TorchListKind.Tuple);
        tuple.Add(new TorchList(TorchListKind.List, [tuple]));
        Should.Throw<ArgumentException>(() => TorchFileWriter.Plan(tuple, "x")).Message.ShouldContain("At '0/0' stands a value that contains itself");
        TorchValue deep = 1;
        for (int i = 0; i < 5000; i++)
            deep = new TorchList(TorchListKind.List, [deep]);
        Should.Throw<ArgumentException>(() => TorchFileWriter.Plan(deep, "x")).Message.ShouldContain("nested deeper");
    }

    [Fact]
    public void More_than_65535_records_have_a_long_directory()
    {
        const int Many = 65_600;
        var root = new TorchMap();
        byte[] element = [1];
        for (int i = 0; i < Many; i++)
            root.Add(i, new TorchTensorValue(new MemoryTensor(TensorType.U8, [1], element)));
        TorchFileWriter file = TorchFileWriter.Plan(root, "x");
        byte[] bytes = TestTensors.Written(file.WriteTo);
        bytes.LongLength.ShouldBe(file.Length);
        using var archive = new ZipArchive(new MemoryStream(bytes));
        archive.Entries.Count.ShouldBe(Many + 3);
        archive.GetEntry($"x/data/{Many - 1}")!.Length.ShouldBe(1);
    }
}
