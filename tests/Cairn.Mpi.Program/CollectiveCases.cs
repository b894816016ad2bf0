using System.Runtime.InteropServices;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn.Mpi.Program;

/// <summary>Sums and copies over all ranks of the job, against what one process computes for itself.</summary>
internal static unsafe class CollectiveCases
{
    public static void RunAll(MpiJob job)
    {
        ICollectives all = job.All;
        foreach (int length in new[] { 0, 1, 3, 1000, 3_000_001 })
        {
            Sums_of_singles_are_added_in_the_order_of_ranks(all, length);
            Averages_of_doubles_are_exact(all, length);
        }
        Halves_are_added_in_single_precision_and_rounded_once(all);
        A_broadcast_reaches_all(all);
        Pieces_of_any_owner_are_reduced_and_gathered_where_they_lie(all);
        More_than_a_wave_goes_in_several(all);
        Integers_are_not_added(all);
        Ranks_with_other_sizes_are_found_out(job);
    }

    private static float Value(int rank, int i) => (float)Math.Sin(rank * 1000.0 + i) * (rank == 1 ? 1e4f : 1);

    private static void Sums_of_singles_are_added_in_the_order_of_ranks(ICollectives all, int length)
    {
        float[] values = [.. Enumerable.Range(0, length).Select(i => Value(all.Rank, i))];
        fixed (float* address = values)
            all.AllReduce((nint)address, length, TensorType.F32, Reduction.Sum);
        for (int i = 0; i < length; i++)
        {
            float sum = Value(0, i);
            for (int rank = 1; rank < all.Size; rank++)
                sum += Value(rank, i);
            if (BitConverter.SingleToInt32Bits(values[i]) != BitConverter.SingleToInt32Bits(sum))
                throw new InvalidOperationException($"element {i} of {length} is {values[i]:R} and should be {sum:R}");
        }
    }

    private static void Averages_of_doubles_are_exact(ICollectives all, int length)
    {
        double[] values = [.. Enumerable.Range(0, length).Select(i => (double)(i + all.Rank))];
        fixed (double* address = values)
            all.AllReduce((nint)address, length, TensorType.F64, Reduction.Average);
        for (int i = 0; i < length; i++)
        {
            if (values[i] != (i * all.Size + all.Size * (all.Size - 1) / 2) / (double)all.Size)
                throw new InvalidOperationException($"element {i} of {length} is {values[i]:R}");
        }
    }

    private static void Halves_are_added_in_single_precision_and_rounded_once(ICollectives all)
    {
        // Neighbours of 1 in bf16 are 1/128 apart: a quarter of that is lost when rounded at once, three quarters together are not.
        ushort small = (ushort)(BitConverter.SingleToUInt32Bits(1f / 512) >> 16), one = 0x3F80;
        ushort[] brain = [all.Rank == 0 ? one : small, 0x7F80, 0x7FC0];
        fixed (ushort* address = brain)
            all.AllReduce((nint)address, brain.Length, TensorType.BF16, Reduction.Sum);
        BitConverter.UInt32BitsToSingle((uint)brain[0] << 16).ShouldBe(all.Size == 4 ? 1 + 1f / 128 : 1);
        brain[1].ShouldBe((ushort)0x7F80);
        float.IsNaN(BitConverter.UInt32BitsToSingle((uint)brain[2] << 16)).ShouldBeTrue();

        Half[] halves = [(Half)60000, (Half)(all.Rank + 0.5)];
        fixed (Half* address = halves)
            all.AllReduce((nint)address, halves.Length, TensorType.F16, Reduction.Average);
        // The sum is beyond fp16, the mean is not.
        halves[0].ShouldBe((Half)60000);
        halves[1].ShouldBe((Half)((all.Size - 1) / 2.0 + 0.5));
    }

    private static void A_broadcast_reaches_all(ICollectives all)
    {
        for (int from = 0; from < all.Size; from++)
        {
            long[] values = [.. Enumerable.Range(0, 200_000).Select(i => (long)i * (all.Rank + 1))];
            fixed (long* address = values)
                all.Broadcast((nint)address, values.Length, TensorType.I64, from);
            values[199_999].ShouldBe(199_999L * (from + 1));
            values[1].ShouldBe(from + 1);
        }
    }

    private static void Pieces_of_any_owner_are_reduced_and_gathered_where_they_lie(ICollectives all)
    {
        float[] values = [.. Enumerable.Repeat((float)(all.Rank + 1), 100)];
        float total = all.Size * (all.Size + 1) / 2;
        fixed (float* address = values)
        {
            int last = all.Size - 1;
            MemoryPiece[] pieces = [new((nint)(address + 10), 20, last), new((nint)(address + 40), 0, 0), new((nint)(address + 50), 5, 0), new((nint)(address + 60), 30, last)];
            all.ReduceScatter(pieces, TensorType.F32, Reduction.Sum);
            values[9].ShouldBe(all.Rank + 1);
            values[10].ShouldBe(all.Rank == last ? total : all.Rank + 1);
            values[50].ShouldBe(all.Rank == 0 ? total : all.Rank + 1);
            all.AllGather(pieces, TensorType.F32);
        }
        float[] expected = [.. Enumerable.Repeat((float)(all.Rank + 1), 100)];
        expected.AsSpan(10, 20).Fill(total);
        expected.AsSpan(50, 5).Fill(total);
        expected.AsSpan(60, 30).Fill(total);
        values.ShouldBe(expected);
    }

    private static void More_than_a_wave_goes_in_several(ICollectives all)
    {
        const int Elements = 20 << 20;
        byte* memory = (byte*)NativeMemory.Alloc(Elements);
        try
        {
            new Span<byte>(memory, Elements).Fill((byte)all.Rank);
            memory[Elements - 1] = (byte)(all.Rank + 100);
            all.Broadcast((nint)memory, Elements, TensorType.U8, 1 % all.Size);
            new Span<byte>(memory, Elements - 1).IndexOfAnyExcept((byte)(1 % all.Size)).ShouldBe(-1);
            memory[Elements - 1].ShouldBe((byte)(1 % all.Size + 100));
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    private static void Integers_are_not_added(ICollectives all)
    {
        if (all.Size > 1)
            Should.Throw<ArgumentOutOfRangeException>(() => all.AllReduce(0, 0, TensorType.I64, Reduction.Sum));
    }

    // Last: it leaves the group of all ranks broken.
    private static void Ranks_with_other_sizes_are_found_out(MpiJob job)
    {
        if (job.All.Size == 1)
            return;
        float[] values = new float[1000];
        fixed (float* address = values)
        {
            nint at = (nint)address;
            int length = job.Ranks.Rank == 0 ? 900 : 1000;
            Action call = () => job.All.Broadcast(at, length, TensorType.F32, 1, TimeSpan.FromMinutes(2));
            if (job.Ranks.Rank == 0)
                Should.Throw<RankOrderException>(call).Message.ShouldContain("Member 1");
            else
                call();
        }
    }
}
