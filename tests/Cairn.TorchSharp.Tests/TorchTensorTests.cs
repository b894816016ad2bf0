using Cairn.State;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class TorchTensorTests
{
    public static TheoryData<ScalarType> Supported =>
        [ScalarType.Bool, ScalarType.Byte, ScalarType.Int8, ScalarType.Int16, ScalarType.Int32, ScalarType.Int64, ScalarType.Float16,
            ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64, ScalarType.ComplexFloat32];

    [Theory]
    [MemberData(nameof(Supported))]
    public void Every_supported_dtype_goes_there_and_back(ScalarType dtype)
    {
        using Tensor from = (randn(3, 5) * 10).to(dtype), to = zeros([3, 5], dtype);
        TorchTensor live = new(from);
        live.Type.ToScalarType().ShouldBe(dtype);
        live.ByteLength.ShouldBe(from.NumberOfElements * from.ElementSize);
        TorchTensor.Fill(to, new MemoryTensor(live.Type, [3, 5], live.Bytes()));
        to.Bytes().ShouldBe(from.bytes.ToArray());
    }

    [Fact]
    public void A_dtype_that_checkpoints_lack_is_refused()
    {
        using Tensor tensor = zeros([2], complex128);
        Should.Throw<CheckpointException>(() => new TorchTensor(tensor)).Message.ShouldContain("ComplexFloat64");
        Should.Throw<CheckpointException>(() => TensorType.F8E4M3.ToScalarType()).Message.ShouldContain("F8E4M3");
    }

    [Fact]
    public void A_dense_tensor_is_read_where_it_lies()
    {
        using Tensor tensor = zeros(4);
        TorchTensor live = new(tensor);
        live.IsZeroCopy.ShouldBeTrue();
        live.TryGetSpan(4, 4, out ReadOnlySpan<byte> bytes).ShouldBeTrue();
        tensor[1] = 1f;
        BitConverter.ToSingle(bytes).ShouldBe(1f);
    }

    [Fact]
    public void A_strided_tensor_is_read_and_filled_row_by_row()
    {
        using Tensor square = arange(6, float32).reshape(2, 3), turned = square.t(), dense = turned.contiguous();
        TorchTensor live = new(turned);
        live.IsZeroCopy.ShouldBeFalse();
        live.Bytes().ShouldBe(dense.bytes.ToArray());
        TorchTensor.Fill(turned, new MemoryTensor(TensorType.F32, [3, 2], new byte[24]));
        square.sum().item<float>().ShouldBe(0f);
    }

    // Larger than what is made dense at once: by rows, and by rows of rows.
    [Theory, InlineData(3_000_001, 2), InlineData(3, 6_000_001), InlineData(2_000, 3_000)]
    public void A_large_strided_tensor_is_read_at_any_range_and_filled_by_rows(long rows, long columns)
    {
        using Tensor turned = arange(rows * columns, int32).reshape(columns, rows).t();
        TorchTensor live = new(turned);
        live.IsZeroCopy.ShouldBeFalse();
        live.TryGetSpan(0, 4, out _).ShouldBeFalse();
        long row = columns * 4, size = live.ByteLength;
        foreach ((long offset, long length) in ((long, long)[])[(0, 4), (row - 2, 4), (row, row), (row / 2 + 1, row + 8), (size - 7, 7), (size / 2 + 3, Math.Min(size / 2 - 3, 40_000_001)), (0, 20 << 20), (size, 0)])
        {
            byte[] found = new byte[Math.Min(length, size - offset)];
            live.CopyTo(offset, found);
            int bad = 0;
            for (int i = 0; i < found.Length; i++)
            {
                (long at, int shift) = Math.DivRem(offset + i, 4) is var (q, r) ? (q, (int)r * 8) : default;
                (long down, long across) = Math.DivRem(at, columns);
                bad += found[i] == (byte)((int)(across * rows + down) >> shift) ? 0 : 1;
            }
            bad.ShouldBe(0, $"{length} bytes at {offset}");
        }
        byte[] other = new byte[size];
        new Random(1).NextBytes(other);
        TorchTensor.Fill(turned, new MemoryTensor(TensorType.I32, [rows, columns], other));
        using Tensor dense = turned.contiguous();
        dense.bytes.SequenceEqual(other).ShouldBeTrue();
    }

    [Fact]
    public void A_view_into_the_middle_of_a_tensor_touches_no_neighbour()
    {
        using Tensor whole = ones(6), part = whole.narrow(0, 2, 2);
        TorchTensor.Fill(part, new MemoryTensor(TensorType.F32, [2], new byte[8]));
        whole.data<float>().ToArray().ShouldBe([1, 1, 0, 0, 1, 1]);
    }

    [Fact]
    public void A_conjugated_tensor_is_read_as_its_values()
    {
        using Tensor tensor = complex(ones(1), ones(1)), conjugated = tensor.conj();
        BitConverter.ToSingle(new TorchTensor(conjugated).Bytes().AsSpan(4)).ShouldBe(-1f);
    }

    [Fact]
    public void An_empty_tensor_and_a_single_value_work()
    {
        using Tensor empty = zeros(0, 3), single = tensor(7L);
        new TorchTensor(empty).Bytes().ShouldBeEmpty();
        TorchTensor.Fill(empty, new MemoryTensor(TensorType.F32, [0, 3], default));
        TorchTensor live = new(single);
        live.Shape.ShouldBeEmpty();
        BitConverter.ToInt64(live.Bytes()).ShouldBe(7);
    }

    [Fact]
    public void Nothing_is_broadcast_or_cast()
    {
        using Tensor tensor = ones(2, 2);
        foreach (StateTensor other in new StateTensor[] { new MemoryTensor(TensorType.F32, [2], new byte[8]), new MemoryTensor(TensorType.I32, [2, 2], new byte[16]) })
            Should.Throw<CheckpointException>(() => TorchTensor.Fill(tensor, other)).Expected.ShouldBe("F32[2, 2]");
        tensor.sum().item<float>().ShouldBe(4f);
    }

    [Fact]
    public void Reading_past_the_end_is_refused()
    {
        using Tensor tensor = ones(2);
        TorchTensor live = new(tensor);
        Should.Throw<ArgumentOutOfRangeException>(() => live.CopyTo(4, new byte[5]));
        Should.Throw<ArgumentOutOfRangeException>(() => live.TryGetSpan(-1, 1, out _));
    }

    [Fact]
    public void A_tensor_over_2_GiB_is_read_and_filled_at_its_end()
    {
        const long Size = (1L << 31) + 16;
        using Tensor tensor = empty([Size], uint8);
        tensor[Size - 1] = (byte)42;
        TorchTensor live = new(tensor);
        live.TryGetSpan(Size - 1, 1, out ReadOnlySpan<byte> last).ShouldBeTrue();
        last[0].ShouldBe((byte)42);
        TorchTensor.Fill(tensor, new Counting(Size));
        tensor[Size - 1].item<byte>().ShouldBe((byte)((Size - 1) / (1 << 30)));
    }

    [Fact]
    public void Tensors_of_all_sizes_are_filled_each_by_its_own_bytes_once()
    {
        long[] sizes = [3, 0, 5 << 20, 1, 4 << 20, 7, 2 << 20, (8 << 20) + 1, 1 << 20];
        Tensor[] tensors = [.. sizes.Select(size => zeros([size], uint8))];
        Numbered[] sources = [.. sizes.Select((size, i) => new Numbered(size, (byte)(i + 1)))];
        new TensorFilling([.. tensors.Zip<Tensor, StateTensor>(sources)]).Run(TestContext.Current.CancellationToken);
        for (int i = 0; i < sizes.Length; i++)
        {
            tensors[i].bytes.ToArray().ShouldAllBe(value => value == i + 1);
            sources[i].Read.ShouldBe(sizes[i]);
            tensors[i].Dispose();
        }
    }

    [Fact]
    public void A_source_that_fails_ends_the_filling_with_its_own_error()
    {
        using Tensor first = zeros([8L << 20], uint8), second = zeros([8L << 20], uint8);
        var filling = new TensorFilling([(first, new Numbered(8 << 20, 1)), (second, new Broken(8 << 20))]);
        Should.Throw<CheckpointException>(() => filling.Run(TestContext.Current.CancellationToken)).Message.ShouldBe("broken");
        filling.Begun.ShouldBeInRange(1, 2);
    }

    sealed class Numbered(long size, byte number) : StateTensor(TensorType.U8, [size])
    {
        private long _read;

        public long Read => _read;

        public override void CopyTo(long offset, Span<byte> destination)
        {
            destination.Fill(number);
            Interlocked.Add(ref _read, destination.Length);
        }
    }

    sealed class Broken(long size) : StateTensor(TensorType.U8, [size])
    {
        public override void CopyTo(long offset, Span<byte> destination) => throw new CheckpointException("broken");
    }

    // Every gibibyte holds its number, in its last byte.
    sealed class Counting(long size) : StateTensor(TensorType.U8, [size])
    {
        public override void CopyTo(long offset, Span<byte> destination) => destination[^1] = (byte)(offset >> 30);
    }
}
