using Cairn.State;
using Cairn.Tests.Formats;
using CsCheck;

namespace Cairn.Tests.State;

public class ShardTests
{
    [Fact]
    public void A_box_and_a_flat_range_of_it_hold_the_elements_that_they_name()
    {
        MemoryTensor whole = Counting(4, 6);
        whole.Slice(ShardExtent.OfBox([4, 6], [1, 2], [2, 3])).Bytes().ShouldBe([8, 9, 10, 14, 15, 16]);
        StateTensor flat = whole.Slice(ShardExtent.OfBox([4, 6], [1, 2], [2, 3]).Flat(2, 3));
        flat.Shape.ShouldBe([3]);
        flat.Bytes().ShouldBe([10, 14, 15]);
        whole.Slice(ShardExtent.Cut([4, 6], 1, 2, 3)).Bytes().ShouldBe([4, 5, 10, 11, 16, 17, 22, 23]);
        whole.Slice(ShardExtent.Whole([4, 6])).ShouldBeSameAs(whole);
        whole.Slice(ShardExtent.Whole([4, 6]).Flat(0, 24)).Shape.ShouldBe([24]);
    }

    [Fact]
    public void A_tensor_and_a_box_have_at_most_64_dimensions()
    {
        long[] most = [.. Enumerable.Repeat(1L, 64)], more = [.. most, 1];
        new MemoryTensor(TensorType.U8, most, new byte[] { 7 }).Slice(ShardExtent.OfBox(most, new long[64], most)).Bytes().ShouldBe([7]);
        Should.Throw<ArgumentException>(() => new MemoryTensor(TensorType.U8, more, new byte[] { 7 }));
        Should.Throw<ArgumentException>(() => new TensorBox(new long[66], [.. more, 1]));
    }

    [Fact]
    public void Any_cut_is_put_together_again_and_cut_in_any_other_way_bit_for_bit() =>
        Tensors.SelectMany(whole => Gen.Select(Cuts(whole.Shape), Cuts(whole.Shape), Gen.Int[0, 1 << 20], (saved, wanted, seed) => (whole, saved, wanted, seed)))
            .Sample(t =>
            {
                StateTensor joined = StateTensor.Join("w", [.. t.saved.Select(extent => new ShardTensor(Hidden(t.whole.Slice(extent)), extent))]);
                joined.Bytes().ShouldBe(t.whole.Bytes());
                foreach (ShardExtent extent in t.wanted)
                {
                    StateTensor part = joined.Slice(extent);
                    part.Shape.ShouldBe(extent.LocalShape);
                    byte[] expected = Expected(t.whole, extent);
                    part.Bytes().ShouldBe(expected);
                    // And any piece of it, from any byte on.
                    int from = expected.Length == 0 ? 0 : t.seed % expected.Length, length = (expected.Length - from) * (t.seed % 7) / 7;
                    byte[] piece = new byte[length];
                    part.CopyTo(from, piece);
                    piece.ShouldBe(expected[from..(from + length)]);
                }
            });

    [Fact]
    public void A_shard_that_was_saved_by_itself_is_read_without_the_others()
    {
        ShardExtent left = ShardExtent.Cut([4, 6], 1, 0, 2), right = ShardExtent.Cut([4, 6], 1, 1, 2);
        MemoryTensor whole = Counting(4, 6);
        StateTensor mine = Hidden(whole.Slice(right));
        StateTensor.Join("w", [new ShardTensor(whole.Slice(left), left), new ShardTensor(mine, right)]).Slice(right).ShouldBeSameAs(mine);
    }

    [Fact]
    public void Runs_that_lie_close_are_read_at_once_and_distant_ones_alone()
    {
        // Columns of 1 KiB from rows of 2 KiB: one read. From rows of 1 MiB: one read each, and not the megabytes between.
        (long row, int reads, long bytes)[] cases = [(2 << 10, 1, 7 * (2 << 10) + 1024), (1 << 20, 8, 8 * 1024)];
        foreach ((long row, int reads, long bytes) in cases)
        {
            var file = new Metered(TensorType.U8, [8, row]);
            StateTensor column = file.Slice(ShardExtent.OfBox([8, row], [0, 0], [8, 1024]));
            column.CopyTo(0, new byte[8 * 1024]);
            (file.Reads, file.BytesRead).ShouldBe((reads, bytes));
        }
    }

    [Fact]
    public void Elements_without_an_owner_or_with_two_are_listed()
    {
        MemoryTensor whole = Counting(4, 6);
        ShardTensor Of(ShardExtent extent) => new(whole.Slice(extent), extent);
        ShardExtent top = ShardExtent.OfBox([4, 6], [0, 0], [2, 6]), low = ShardExtent.OfBox([4, 6], [3, 0], [1, 6]), wide = ShardExtent.OfBox([4, 6], [1, 0], [3, 6]);

        OwnershipFault gap = Should.Throw<ShardOwnershipException>(() => StateTensor.Join("w", [Of(top), Of(low)])).Faults.ShouldHaveSingleItem();
        gap.Gaps.ShouldHaveSingleItem().ToString().ShouldBe("[2:3, 0:6]");
        gap.Overlaps.ShouldBeEmpty();

        ShardOwnershipException overlap = Should.Throw<ShardOwnershipException>(() => StateTensor.Join("w", [Of(top), Of(wide)]));
        overlap.Faults[0].Overlaps.ShouldHaveSingleItem().ToString().ShouldBe("[1:2, 0:6]");
        overlap.Message.ShouldContain("'w': several hold [1:2, 0:6]");

        ShardExtent all = ShardExtent.Whole([4, 6]);
        Should.Throw<ShardOwnershipException>(() => StateTensor.Join("w", [Of(all.Flat(0, 10)), Of(all.Flat(11, 13))])).Faults[0].Gaps.ShouldHaveSingleItem().ToString().ShouldBe("[1:2, 4:5]");
        // Replicas are no overlap.
        StateTensor.Join("w", [Of(top), Of(top), Of(ShardExtent.OfBox([4, 6], [2, 0], [2, 6]))]).Bytes().ShouldBe(whole.Bytes());
    }

    [Fact]
    public void What_is_no_shard_of_the_tensor_is_refused()
    {
        MemoryTensor whole = Counting(4, 6);
        Should.Throw<ArgumentException>(() => ShardExtent.OfBox([4, 6], [0, 0], [5, 6])).Message.ShouldContain("reaches out");
        Should.Throw<ArgumentException>(() => whole.Slice(ShardExtent.Whole([6, 4])));
        Should.Throw<ArgumentException>(() => new ShardTensor(whole, ShardExtent.Whole([24])));
        Should.Throw<ArgumentException>(() => ShardExtent.Cut([4, 6], 1, 0, 4));
        Should.Throw<ArgumentException>(() => ShardExtent.Whole([4, 6]).Flat(20, 5));
        Should.Throw<ArgumentException>(() => StateTensor.Join("w", [new ShardTensor(whole, ShardExtent.Whole([4, 6])), new ShardTensor(Counting(2, 2), ShardExtent.Whole([2, 2]))]));
    }

    internal static readonly Gen<MemoryTensor> Tensors =
        Gen.Select(Gen.Long[0, 7].Array[0, 4], Gen.Int[0, 3].Select(n => new[] { TensorType.F32, TensorType.BF16, TensorType.U8, TensorType.F64 }[n]), (shape, type) => TestTensors.Of(type, shape));

    /// <summary>Ways to cut a tensor into shards that hold each element once: a grid, each box of it whole or in flat ranges.</summary>
    internal static Gen<ShardExtent[]> Cuts(IReadOnlyList<long> shape) =>
        Gen.Int[0, int.MaxValue].Select(seed => CutsOf([.. shape], new Random(seed)));

    internal static ShardExtent[] CutsOf(long[] shape, Random random)
    {
        List<(long[] Offset, long[] Shape)> boxes = [([.. shape.Select(_ => 0L)], shape)];
        for (int dimension = 0; dimension < shape.Length; dimension++)
        {
            long at = random.NextInt64(0, shape[dimension] + 1);
            if (random.Next(2) == 0 || at == 0 || at == shape[dimension])
                continue;
            int d = dimension;
            boxes = [.. boxes.SelectMany(box => new[] { With(box, d, 0, at), With(box, d, at, shape[d] - at) })];
        }
        var extents = new List<ShardExtent>();
        foreach ((long[] offset, long[] size) in boxes)
        {
            ShardExtent box = ShardExtent.OfBox(shape, offset, size);
            if (box.Count == 0 || random.Next(2) == 0)
            {
                extents.Add(box);
                continue;
            }
            for (long at = 0; at < box.Count;)
            {
                long count = random.NextInt64(1, box.Count - at + 1);
                extents.Add(box.Flat(at, count));
                at += count;
            }
        }
        return [.. extents];

        static (long[], long[]) With((long[] Offset, long[] Shape) box, int dimension, long start, long size)
        {
            long[] offset = [.. box.Offset], shape = [.. box.Shape];
            (offset[dimension], shape[dimension]) = (start, size);
            return (offset, shape);
        }
    }

    // Element by element, as the definition says.
    private static byte[] Expected(StateTensor whole, ShardExtent extent)
    {
        byte[] all = whole.Bytes();
        int size = whole.Type.BitsPerElement() / 8;
        var bytes = new List<byte>();
        for (long n = extent.Start; n < extent.Start + extent.Count; n++)
        {
            long rest = n, flat = 0, stride = 1;
            for (int d = whole.Shape.Count - 1; d >= 0; d--)
            {
                (rest, long index) = Math.DivRem(rest, extent.Box.Shape[d]);
                flat += (extent.Box.Offset[d] + index) * stride;
                stride *= whole.Shape[d];
            }
            bytes.AddRange(all.AsSpan((int)flat * size, size));
        }
        return [.. bytes];
    }

    // As from a file: no span.
    internal static CopyOnlyTensor Hidden(StateTensor tensor) => new(new MemoryTensor(tensor.Type, [.. tensor.Shape], tensor.Bytes()));

    private static MemoryTensor Counting(params long[] shape) =>
        new(TensorType.U8, shape, Enumerable.Range(0, (int)TensorType.U8.ByteLength(shape)).Select(n => (byte)n).ToArray());

    private sealed class Metered(TensorType type, long[] shape) : StateTensor(type, shape)
    {
        public int Reads { get; private set; }
        public long BytesRead { get; private set; }

        public override void CopyTo(long offset, Span<byte> destination)
        {
            Reads++;
            BytesRead += destination.Length;
        }
    }
}
