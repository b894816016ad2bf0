using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Ranks;

/// <summary>A stretch of memory that all ranks of a group hold, and the rank whose copy counts.</summary>
/// <param name="Address">Where it lies in this process.</param>
/// <param name="Elements">Number of elements; the same on all ranks.</param>
/// <param name="Owner">The rank of the group whose it is; the same on all ranks.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct MemoryPiece(nint Address, long Elements, int Owner);

/// <summary>How the values of the ranks become one.</summary>
public enum Reduction
{
    /// <summary>Their sum.</summary>
    Sum,
    /// <summary>Their mean.</summary>
    Average,
}

/// <summary>
/// Sums and copies of memory among a group of ranks, in place. All ranks make the same calls in the same order with pieces of the
/// same sizes and owners. Values are added in the order of ranks, so that the bits of a result depend neither on
/// the MPI nor on who came first, and all ranks hold the same. Half-precision values are added in single precision and rounded once.
/// <para>A call ends within its time-out. After a <see cref="RankTimeoutException"/> the group cannot be used again, the memory may be
/// half written, and it must stay allocated until the process ends, since MPI may still send from it.</para>
/// <para>One call at a time.</para>
/// </summary>
public interface ICollectives
{
    /// <summary>This rank within the group, from 0.</summary>
    int Rank { get; }
    /// <summary>Number of ranks in the group.</summary>
    int Size { get; }

    /// <summary>Each piece becomes, at its owner, the reduction over all ranks. Elsewhere it stays as it was.</summary>
    /// <param name="pieces">Any number of pieces that do not overlap.</param>
    /// <param name="type">F32, F64, F16 or BF16.</param>
    /// <param name="reduction">How values become one.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting, as a time-out does.</param>
    /// <exception cref="RankTimeoutException">Ranks did not come in time.</exception>
    /// <exception cref="RankOrderException">A rank has pieces of other sizes.</exception>
    void ReduceScatter(ReadOnlySpan<MemoryPiece> pieces, TensorType type, Reduction reduction, TimeSpan? timeout = null, CancellationToken cancellationToken = default);

    /// <summary>Each piece becomes, on all ranks, what it is at its owner.</summary>
    /// <param name="pieces">Any number of pieces that do not overlap.</param>
    /// <param name="type">Any type of whole bytes.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting, as a time-out does.</param>
    /// <inheritdoc cref="ReduceScatter" path="/exception"/>
    void AllGather(ReadOnlySpan<MemoryPiece> pieces, TensorType type, TimeSpan? timeout = null, CancellationToken cancellationToken = default);
}

/// <summary>The usual collectives, made of the two of <see cref="ICollectives"/>.</summary>
public static class Collectives
{
    /// <summary>A group of one rank: nothing has to be done.</summary>
    public static ICollectives Single { get; } = new Alone();

    /// <summary>The memory becomes, on all ranks, the reduction over all ranks.</summary>
    /// <param name="group">The group.</param>
    /// <param name="address">Where it lies in this process.</param>
    /// <param name="elements">Number of elements.</param>
    /// <param name="type">F32, F64, F16 or BF16.</param>
    /// <param name="reduction">How values become one.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting, as a time-out does.</param>
    /// <inheritdoc cref="ICollectives.ReduceScatter" path="/exception"/>
    public static void AllReduce(this ICollectives group, nint address, long elements, TensorType type, Reduction reduction, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(group);
        MemoryPiece[] pieces = Cut(address, elements, type, group.Size);
        group.ReduceScatter(pieces, type, reduction, timeout, cancellationToken);
        group.AllGather(pieces, type, timeout, cancellationToken);
    }

    /// <summary>The memory becomes, on all ranks, what it is on one.</summary>
    /// <param name="group">The group.</param>
    /// <param name="address">Where it lies in this process.</param>
    /// <param name="elements">Number of elements.</param>
    /// <param name="type">Any type of whole bytes.</param>
    /// <param name="from">That rank of the group.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting, as a time-out does.</param>
    /// <inheritdoc cref="ICollectives.ReduceScatter" path="/exception"/>
    public static void Broadcast(this ICollectives group, nint address, long elements, TensorType type, int from, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(group);
        group.AllGather([new MemoryPiece(address, elements, from)], type, timeout, cancellationToken);
    }

    /// <summary>Equal parts for all ranks, as nearly as whole elements allow: part i is element <c>i·n/size</c> up to <c>(i+1)·n/size</c>.</summary>
    /// <param name="address">Where the memory lies in this process.</param>
    /// <param name="elements">Number of elements n.</param>
    /// <param name="type">Any type of whole bytes.</param>
    /// <param name="size">Number of ranks.</param>
    public static MemoryPiece[] Cut(nint address, long elements, TensorType type, int size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(elements);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        int width = type.BitsPerElement() / 8;
        MemoryPiece[] pieces = new MemoryPiece[size];
        for (int rank = 0; rank < size; rank++)
        {
            long start = (long)((Int128)elements * rank / size), end = (long)((Int128)elements * (rank + 1) / size);
            pieces[rank] = new MemoryPiece(address + (nint)(start * width), end - start, rank);
        }
        return pieces;
    }

    private sealed class Alone : ICollectives
    {
        public int Rank => 0;
        public int Size => 1;
        public void ReduceScatter(ReadOnlySpan<MemoryPiece> pieces, TensorType type, Reduction reduction, TimeSpan? timeout = null, CancellationToken cancellationToken = default) { }
        public void AllGather(ReadOnlySpan<MemoryPiece> pieces, TensorType type, TimeSpan? timeout = null, CancellationToken cancellationToken = default) { }
    }
}
