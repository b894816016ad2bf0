using System.IO.Compression;
using Cairn.Formats.Torch;
using Cairn.State;
using CsCheck;

namespace Cairn.Tests.Formats.Torch;

public class TorchFileTests
{
    private static readonly string TwoTensors = "](" + Pickles.Tensor(Pickles.Storage(), 0, [4], [1]) + Pickles.Tensor(Pickles.Storage(), 0, [2, 2], [2, 1])
        + Pickles.Tensor(Pickles.Storage(), 0, [2, 2], [2, 1]) + Pickles.Tensor(Pickles.Storage("1", 2, "LongStorage"), 1, [1], [1]) + "e.";

    private static readonly (string Storage, TensorType Type)[] Kinds =
        [("ByteStorage", TensorType.U8), ("ShortStorage", TensorType.I16), ("FloatStorage", TensorType.F32), ("ComplexDoubleStorage", TensorType.C128)];

    private static TorchFile Open(byte[] bytes)
    {
        var files = new FilesInMemory(shortRead: 5);
        files.Files["f.pt"] = bytes;
        return TorchFile.Open(files, "f.pt");
    }

    [Fact]
    public void Tensors_that_share_memory_share_the_storage_and_equal_views_are_one()
    {
        using TorchFile file = Pickles.Open(TwoTensors, null, ("0", Pickles.Floats(4)), ("1", new byte[16]));
        TorchTensorValue[] tensors = [.. ((TorchList)file.Root).Cast<TorchTensorValue>()];
        tensors[1].Storage.ShouldBeSameAs(tensors[0].Storage);
        tensors[1].Data.ShouldNotBeSameAs(tensors[0].Data);
        tensors[2].Data.ShouldBeSameAs(tensors[1].Data);
        tensors[0].Data.ShouldBeSameAs(tensors[0].Storage.Bytes);
        tensors[3].Offset.ShouldBe(1);
        file.Storages.Keys.ShouldBe(["0", "1"]);
        file.Storages["1"].Location.ShouldBe("cpu");
        file.IsLegacy.ShouldBeFalse();
    }

    [Theory]
    [InlineData(5)]
    [InlineData(1L << 57)]
    public void A_tensor_of_no_elements_may_begin_anywhere(long offset)
    {
        using TorchFile file = Pickles.Open(Pickles.Tensor(Pickles.Storage(), offset, [2, 0], [4, 4]) + ".", null, ("0", Pickles.Floats(4)));
        var tensor = (TorchTensorValue)file.Root;
        tensor.Offset.ShouldBe(offset);
        tensor.Strides.ShouldBe([4, 4]);
        tensor.Data.Bytes().ShouldBeEmpty();
        tensor.Data.TryGetSpan(0, 0, out _).ShouldBeTrue();
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(4, false)]
    [InlineData(8, false)]
    [InlineData(0, true)]
    [InlineData(4, true)]
    [InlineData(8, true)]
    public void An_archive_is_read_however_its_sizes_are_written(int descriptors, bool zip64)
    {
        var zip = new StoredArchive(descriptors, zip64);
        zip.Add("ordner/", []);
        zip.Add("ordner/data.pkl", Pickles.Raw(TwoTensors));
        zip.Add("ordner/data/0", Pickles.Floats(4));
        zip.Add("ordner/data/1", new byte[16]);
        zip.Add("ordner/data/empty", []);
        zip.Add("ordner/version", "3\n"u8);
        zip.Add("ordner/byteorder", "little"u8);
        using TorchFile file = Open(zip.Close());
        ((TorchTensorValue)((TorchList)file.Root)[0]).Data.Bytes().ShouldBe(Pickles.Floats(4));
        Should.NotThrow(() => file.Verify(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void An_archive_that_another_program_packed_again_is_read()
    {
        var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] bytes) in (ReadOnlySpan<(string, byte[])>)[("x/data.pkl", Pickles.Raw("K\u0007.")), ("x/version", "3\n"u8.ToArray())])
            {
                using Stream entry = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
                entry.Write(bytes);
            }
        }
        using TorchFile file = Open(stream.ToArray());
        file.Root.ShouldBe(new TorchScalar(7));
    }

    [Fact]
    public void A_mapped_tensor_is_given_without_a_copy()
    {
        using var folder = new TemporaryFolder();
        string path = System.IO.Path.Combine(folder.Path, "large.pt");
        const int count = 4 << 20;
        File.WriteAllBytes(path, Pickles.Archive(Pickles.Raw(Pickles.Tensor(Pickles.Storage("0", count, "ByteStorage"), 0, [count], [1]) + "."), ("0", new byte[count])));
        using TorchFile file = TorchFile.Map(path);
        StateTensor tensor = ((TorchTensorValue)file.Root).Data;
        long before = GC.GetAllocatedBytesForCurrentThread();
        tensor.TryGetSpan(0, count, out ReadOnlySpan<byte> bytes).ShouldBeTrue();
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1024);
        bytes.Length.ShouldBe(count);
    }

    [Fact]
    public void Verify_finds_a_changed_byte_in_any_record()
    {
        byte[] good = Pickles.Archive(Pickles.Raw(Pickles.Tensor(Pickles.Storage(), 0, [4], [1]) + "."), ("0", Pickles.Floats(4)));
        int place = good.AsSpan().IndexOf(Pickles.Floats(4));
        good[place + 5] ^= 1;
        using TorchFile file = Open(good);
        CorruptTorchFileException altered = Should.Throw<CorruptTorchFileException>(() => file.Verify(TestContext.Current.CancellationToken));
        altered.Fault.ShouldBe(TorchFault.Checksum);
        altered.Message.ShouldContain("any folder/data/0");
    }

    [Fact]
    public void A_file_that_was_saved_without_checksums_is_read()
    {
        var zip = new StoredArchive(checksums: false);
        zip.Add("a/data.pkl", Pickles.Raw("K\u0007."));
        zip.Add("a/version", "3\n"u8);
        using TorchFile file = Open(zip.Close());
        file.Root.ShouldBe(new TorchScalar(7));
        file.HasChecksums.ShouldBeFalse();
        Should.NotThrow(() => file.Verify(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_file_that_is_cut_after_it_was_opened_is_reported_and_closed()
    {
        var files = new FilesInMemory();
        files.Files["f.pt"] = Pickles.Archive(Pickles.Raw(Pickles.Tensor(Pickles.Storage(), 0, [4], [1]) + "."), ("0", Pickles.Floats(4)));
        using (TorchFile file = TorchFile.Open(files, "f.pt"))
        {
            files.Files["f.pt"] = [];
            CorruptTorchFileException cut = Should.Throw<CorruptTorchFileException>(() => ((TorchTensorValue)file.Root).Data.Bytes());
            cut.Fault.ShouldBe(TorchFault.Truncated);
            cut.Path.ShouldBe("f.pt");
        }
        files.Open.ShouldBe(0);
    }

    [Fact]
    public void A_view_of_any_strides_shows_the_elements_that_pytorch_would()
    {
        Gen.Select(Gen.Long[1, 6].Array[0, 4], Gen.Long[0, 9].Array[4], Gen.Long[0, 5], Gen.Int[0, 3]).Sample((shape, steps, offset, kind) =>
        {
            (string storage, TensorType type) = Kinds[kind];
            int element = type.BitsPerElement() / 8;
            long[] strides = steps[..shape.Length];
            long last = offset + shape.Zip(strides, (size, stride) => (size - 1) * stride).Sum();
            byte[] bytes = new byte[(last + 1) * element];
            new Random(3).NextBytes(bytes);
            using TorchFile file = Pickles.Open(Pickles.Tensor(Pickles.Storage("0", last + 1, storage), offset, shape, strides) + ".", null, ("0", bytes));
            StateTensor data = ((TorchTensorValue)file.Root).Data;
            byte[] expected = [.. Places(shape, strides, offset).SelectMany(place => bytes.AsSpan((int)place * element, element).ToArray())];
            data.Bytes().ShouldBe(expected);
            // Any stretch, whole elements or not.
            for (int start = 0; start < expected.Length; start += 5)
            {
                byte[] stretch = new byte[Math.Min(7 * element + 3, expected.Length - start)];
                data.CopyTo(start, stretch);
                stretch.ShouldBe(expected[start..(start + stretch.Length)]);
            }
        }, iter: 150);

        static IEnumerable<long> Places(long[] shape, long[] strides, long offset) => shape.Length == 0 ? [offset]
            : Enumerable.Range(0, (int)shape[0]).SelectMany(i => Places(shape[1..], strides[1..], offset + i * strides[0]));
    }

    [Fact]
    public void A_tensor_that_shows_an_element_often_is_read_up_to_a_bound_and_described_beyond_it()
    {
        string Expanded(long rows) => Pickles.Tensor(Pickles.Storage(), 1, [rows, 1000], [0, 0]);
        using TorchFile file = Pickles.Open("](" + Expanded(1_000) + Expanded(1_000_000) + Expanded(2_000) + "e.");
        StateTensor[] tensors = [.. ((TorchList)file.Root).Cast<TorchTensorValue>().Select(tensor => tensor.Data)];
        tensors.Select(tensor => tensor.ToString()).ShouldBe(["F32[1000, 1000]", "F32[1000000, 1000]", "F32[2000, 1000]"]);
        BitConverter.ToSingle(tensors[0].Bytes(), 3_999_996).ShouldBe(1);
        tensors[2].CopyTo(0, new byte[8]);
        Should.Throw<CorruptCheckpointException>(() => tensors[1].CopyTo(0, new byte[8])).Message.ShouldContain("clone()");
    }

    [Fact]
    public void A_large_transposed_tensor_is_gathered_in_bounded_memory()
    {
        const int rows = 1024, columns = 1536;
        byte[] bytes = new byte[rows * columns * 4];
        for (int i = 0; i < rows * columns; i++)
            BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), i);
        using TorchFile file = Pickles.Open(Pickles.Tensor(Pickles.Storage("0", rows * columns, "IntStorage"), 0, [columns, rows], [1, columns]) + ".", null, ("0", bytes));
        StateTensor data = ((TorchTensorValue)file.Root).Data;
        byte[] turned = new byte[bytes.Length];
        data.CopyTo(0, turned.AsSpan(0, 100));
        long before = GC.GetAllocatedBytesForCurrentThread();
        data.CopyTo(0, turned);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1_200_000);
        for (int i = 0; i < rows * columns; i += 997)
            BitConverter.ToInt32(turned, 4 * i).ShouldBe(i % rows * columns + i / rows);
    }

    [Fact]
    public void A_plain_pickle_must_end_where_the_file_ends() =>
        Should.Throw<CorruptTorchFileException>(() => Pickles.Read("N.N")).Fault.ShouldBe(TorchFault.StrayBytes);
}
