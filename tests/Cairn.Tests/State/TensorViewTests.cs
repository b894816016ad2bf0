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
        Values(StridedTensor.Narrow(Counting(2, 3, 2), 1, 1, 2)).ShouldBe(new short[] { 2, 3, 4, 5, 8, 9, 10, 11 });
        Values(StridedTensor.Narrow(Counting(4, 2), 0, 1, 2)).ShouldBe(new short[] { 2, 3, 4, 5 });
        StridedTensor.Narrow(Counting(4, 2), 0, 4, 0).Shape.ShouldBe([0, 2]);
        Should.Throw<ArgumentException>(() => StridedTensor.Narrow(Counting(4, 2), 0, 3, 2));
        Should.Throw<ArgumentException>(() => StridedTensor.Narrow(Counting(4, 2), 2, 0, 1));
    }

    [Fact]
    public void A_transposed_tensor_is_row_major_again()
    {
        StateTensor turned = StridedTensor.Transpose(Counting(2, 3), 0, 1);
        turned.Shape.ShouldBe([3, 2]);
        Values(turned).ShouldBe(new short[] { 0, 3, 1, 4, 2, 5 });
    }

    [Fact]
    public void A_view_past_the_end_of_its_source_is_refused()
    {
        Should.Throw<ArgumentException>(() => new StridedTensor(Counting(4), 1, [2], [3]));
        new StridedTensor(Counting(4), 0, [2], [3]).Bytes().Length.ShouldBe(4);
        Should.Throw<ArgumentException>(() => new ReshapedTensor(Counting(4), [3]));
    }

    [Fact]
    public void Any_stretch_of_a_view_equals_that_stretch_of_its_bytes()
    {
        Gen.Select(Gen.Long[1, 5], Gen.Long[1, 5], Gen.Long[1, 5], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Bool).Sample((a, b, c, first, second, copyOnly) =>
        {
            MemoryTensor memory = Counting(a, b, c);
            StateTensor source = copyOnly ? new CopyOnlyTensor(memory) : memory;
            EveryStretchIsRight(StridedTensor.Transpose(source, first, second));
            EveryStretchIsRight(StridedTensor.Narrow(source, first, source.Shape[first] / 2, source.Shape[first] - source.Shape[first] / 2));
        }, iter: 200);
    }

    [Fact]
    public void Shards_cut_in_any_way_make_the_whole_again()
    {
        Gen.Select(Gen.Long[1, 6], Gen.Long[1, 6], Gen.Long[1, 4], Gen.Int[0, 6], Gen.Int[0, 6], Gen.Int[0, 4], Gen.Bool).Sample((a, b, c, x, y, z, copyOnly) =>
        {
            MemoryTensor whole = Counting(a, b, c);
            List<TensorShard> shards = [];
            foreach ((long i, long ni) in Cut(a, x))
                foreach ((long j, long nj) in Cut(b, y))
                    foreach ((long k, long nk) in Cut(c, z))
                    {
                        StateTensor box = StridedTensor.Narrow(StridedTensor.Narrow(StridedTensor.Narrow(whole, 0, i, ni), 1, j, nj), 2, k, nk);
                        shards.Add(new TensorShard([i, j, k], copyOnly ? box : new MemoryTensor(box.Type, [.. box.Shape], box.Bytes())));
                    }
            shards.Reverse();
            StateTensor assembled = AssembledTensor.Of(TensorType.I16, [a, b, c], shards);
            Values(assembled).ShouldBe(Values(whole));
            EveryStretchIsRight(assembled);
        }, iter: 300);

        static IEnumerable<(long Start, long Length)> Cut(long size, int at) => at <= 0 || at >= size ? [(0, size)] : [(0, at), (at, size - at)];
    }

    [Fact]
    public void Shards_that_overlap_leave_a_hole_or_lie_outside_are_refused_with_words()
    {
        TensorShard Shard(long row, long rows) => new([row, 0], Counting(rows, 2));
        Should.Throw<ArgumentException>(() => AssembledTensor.Of(TensorType.I16, [4, 2], [Shard(0, 2), Shard(1, 3)])).Message.ShouldContain("overlap");
        Should.Throw<ArgumentException>(() => AssembledTensor.Of(TensorType.I16, [4, 2], [Shard(0, 2), Shard(3, 1)])).Message.ShouldContain("2 of its 8 elements are in none");
        Should.Throw<ArgumentException>(() => AssembledTensor.Of(TensorType.I16, [4, 2], [Shard(0, 2), Shard(2, 2), Shard(0, 2)])).Message.ShouldContain("overlap");
        Should.Throw<ArgumentException>(() => AssembledTensor.Of(TensorType.I16, [4, 2], [Shard(2, 3)])).Message.ShouldContain("no part");
        Should.Throw<ArgumentException>(() => AssembledTensor.Of(TensorType.F16, [4, 2], [Shard(0, 4)])).Message.ShouldContain("no part");
    }

    [Fact]
    public void A_hundred_thousand_shards_are_checked_at_once()
    {
        ShardBox[] boxes = [.. Enumerable.Range(0, 100_000).Select(i => new ShardBox([i, 0], [1, 8])).Reverse()];
        ShardCover.Problem([100_000, 8], boxes).ShouldBeNull();
        boxes[500] = new ShardBox([7, 0], [1, 8]);
        ShardCover.Problem([100_000, 8], boxes)!.ShouldContain("[7, 0] and [7, 0] overlap");
    }

    [Fact]
    public void Joined_tensors_must_agree_in_all_other_sizes()
    {
        Values(AssembledTensor.Concat([Counting(2, 1), Counting(2, 2)], 1)).ShouldBe(new short[] { 0, 0, 1, 1, 2, 3 });
        Should.Throw<ArgumentException>(() => AssembledTensor.Concat([Counting(2, 1), Counting(3, 1)], 1));
        Should.Throw<ArgumentException>(() => AssembledTensor.Concat([], 0));
    }

    [Fact]
    public void A_view_reads_only_the_bytes_that_it_is_asked_for()
    {
        var source = new CountingReads(Counting(1000, 64));
        StateTensor lower = StridedTensor.Narrow(source, 0, 500, 500);
        lower.CopyTo(128, new byte[256]);
        source.Read.ShouldBe(256);
        AssembledTensor.Concat([source, Counting(2, 64)], 0).CopyTo(0, new byte[100]);
        source.Read.ShouldBe(356);
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
