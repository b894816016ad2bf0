using Cairn.State;
using Cairn.Tests.Formats;
using CsCheck;

namespace Cairn.Tests.State;

public class TensorViewTests
{
    // 16-bit elements that count from 0, so that a wrong one shows.
    private static MemoryTensor Counting(params long[] shape)
    {
        byte[] bytes = new byte[TensorType.I16.ByteLength(shape)];
        for (int i = 0; i < bytes.Length / 2; i++)
            BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (short)i);
        return new MemoryTensor(TensorType.I16, shape, bytes);
    }

    private static short[] Values(StateTensor tensor) => [.. tensor.Bytes().Chunk(2).Select(pair => BitConverter.ToInt16(pair))];

    [Fact]
    public void A_narrowed_tensor_shows_the_part_along_its_dimension()
    {
        Values(Counting(2, 3, 2).Narrow(1, 1, 2)).ShouldBe(new short[] { 2, 3, 4, 5, 8, 9, 10, 11 });
        Values(Counting(4, 2).Narrow(0, 1, 2)).ShouldBe(new short[] { 2, 3, 4, 5 });
        Counting(4, 2).Narrow(0, 4, 0).Shape.ShouldBe([0, 2]);
        Should.Throw<ArgumentException>(() => Counting(4, 2).Narrow(0, 3, 2));
        Should.Throw<ArgumentException>(() => Counting(4, 2).Narrow(2, 0, 1));
    }

    [Fact]
    public void A_transposed_tensor_is_row_major_again()
    {
        StateTensor turned = Counting(2, 3).Transpose(0, 1);
        turned.Shape.ShouldBe([3, 2]);
        Values(turned).ShouldBe(new short[] { 0, 3, 1, 4, 2, 5 });
    }

    [Fact]
    public void Another_shape_must_have_as_many_elements()
    {
        Values(Counting(4).Reshape(2, 2)).ShouldBe(new short[] { 0, 1, 2, 3 });
        Should.Throw<ArgumentException>(() => Counting(4).Reshape(3));
    }

    [Fact]
    public void Any_stretch_of_a_view_equals_that_stretch_of_its_bytes()
    {
        Gen.Select(Gen.Long[1, 5], Gen.Long[1, 5], Gen.Long[1, 5], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Bool).Sample((a, b, c, first, second, copyOnly) =>
        {
            MemoryTensor memory = Counting(a, b, c);
            StateTensor source = copyOnly ? new CopyOnlyTensor(memory) : memory;
            EveryStretchIsRight(source.Transpose(first, second));
            EveryStretchIsRight(source.Narrow(first, source.Shape[first] / 2, source.Shape[first] - source.Shape[first] / 2));
        }, iter: 200);
    }

    [Fact]
    public void Joined_tensors_must_agree_in_all_other_sizes()
    {
        Values(TensorOperations.Concat([Counting(2, 1), Counting(2, 2)], 1)).ShouldBe(new short[] { 0, 0, 1, 1, 2, 3 });
        Should.Throw<ArgumentException>(() => TensorOperations.Concat([Counting(2, 1), Counting(3, 1)], 1));
        Should.Throw<ArgumentException>(() => TensorOperations.Concat([], 0));
    }

    [Fact]
    public void A_view_reads_only_the_bytes_that_it_is_asked_for()
    {
        var source = new CountingReads(Counting(1000, 64));
        StateTensor lower = source.Narrow(0, 500, 500);
        lower.CopyTo(128, new byte[256]);
        source.Read.ShouldBe(256);
        TensorOperations.Concat([source, Counting(2, 64)], 0).CopyTo(0, new byte[100]);
        source.Read.ShouldBe(356);
        source.Transpose(0, 1).CopyTo(0, new byte[2]);
        source.Read.ShouldBe(358);
    }

    private static void EveryStretchIsRight(StateTensor tensor)
    {
        byte[] all = tensor.Bytes();
        for (int start = 0; start < all.Length; start += 3)
        {
            byte[] stretch = new byte[Math.Min(all.Length - start, 1 + start % 11)];
            tensor.CopyTo(start, stretch);
            stretch.ShouldBe(all[start..(start + stretch.Length)]);
            if (tensor.TryGetSpan(start, stretch.Length, out ReadOnlySpan<byte> bytes))
                bytes.ToArray().ShouldBe(stretch);
        }
    }

    private sealed class CountingReads(MemoryTensor source) : StateTensor(source.Type, source.Shape.ToArray())
    {
        public int Read { get; private set; }

        public override void CopyTo(long offset, Span<byte> destination)
        {
            Read += destination.Length;
            source.CopyTo(offset, destination);
        }
    }
}
