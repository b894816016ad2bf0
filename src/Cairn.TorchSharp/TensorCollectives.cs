using System.Runtime.InteropServices;
using Cairn.Ranks;
using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>A stretch of a tensor, in the order of its elements in memory, and the rank of a group whose it is.</summary>
/// <param name="Tensor">A dense row-major CPU tensor.</param>
/// <param name="Start">First element.</param>
/// <param name="Elements">Number of elements.</param>
/// <param name="Owner">The rank of the group whose copy counts.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct TensorPiece(torch.Tensor Tensor, long Start, long Elements, int Owner);

/// <summary>
/// Sums and copies of tensors among ranks, where they lie and of any size. Tensors must be dense, row-major and on the CPU; all ranks of
/// the group call with tensors of the same dtype and size. Autograd does not see it.
/// </summary>
public static class TensorCollectives
{
    // What MPI may still send from after a call that failed. Few: such a group cannot be used again.
    private static readonly List<torch.Tensor> Abandoned = [];

    /// <summary>The tensor becomes, on all ranks, the sum or mean over all ranks.</summary>
    /// <param name="group">The group of ranks.</param>
    /// <param name="tensor">float32, float64, float16 or bfloat16.</param>
    /// <param name="reduction">Sum or mean.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <inheritdoc cref="ICollectives.ReduceScatter" path="/exception"/>
    public static void AllReduce(this ICollectives group, torch.Tensor tensor, Reduction reduction, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(group);
        (nint address, TensorType type) = TorchTensor.MemoryOf(tensor);
        Keep([tensor], () => group.AllReduce(address, tensor.NumberOfElements, type, reduction, timeout, cancellationToken));
    }

    /// <summary>The tensor becomes, on all ranks, what it is on one.</summary>
    /// <param name="group">The group of ranks.</param>
    /// <param name="tensor">Any dtype.</param>
    /// <param name="from">That rank of the group.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <inheritdoc cref="ICollectives.ReduceScatter" path="/exception"/>
    public static void Broadcast(this ICollectives group, torch.Tensor tensor, int from = 0, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(group);
        (nint address, TensorType type) = TorchTensor.MemoryOf(tensor);
        Keep([tensor], () => group.Broadcast(address, tensor.NumberOfElements, type, from, timeout, cancellationToken));
    }

    /// <summary>Each piece becomes, at its owner, the sum or mean over all ranks; elsewhere it stays as it was. As ZeRO wants its gradients.</summary>
    /// <param name="group">The group of ranks.</param>
    /// <param name="pieces">Pieces of tensors of one dtype; the same on all ranks.</param>
    /// <param name="reduction">Sum or mean.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <inheritdoc cref="ICollectives.ReduceScatter" path="/exception"/>
    public static void ReduceScatter(this ICollectives group, IReadOnlyCollection<TensorPiece> pieces, Reduction reduction, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(group);
        (MemoryPiece[] memory, TensorType type) = MemoryOf(pieces);
        if (memory.Length > 0)
            Keep(pieces.Select(piece => piece.Tensor), () => group.ReduceScatter(memory, type, reduction, timeout, cancellationToken));
    }

    /// <summary>Each piece becomes, on all ranks, what it is at its owner. As ZeRO brings its weights together after a step.</summary>
    /// <param name="group">The group of ranks.</param>
    /// <param name="pieces">Pieces of tensors of one dtype; the same on all ranks.</param>
    /// <param name="timeout">Longest wait; the group's when null.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <inheritdoc cref="ICollectives.ReduceScatter" path="/exception"/>
    public static void AllGather(this ICollectives group, IReadOnlyCollection<TensorPiece> pieces, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(group);
        (MemoryPiece[] memory, TensorType type) = MemoryOf(pieces);
        if (memory.Length > 0)
            Keep(pieces.Select(piece => piece.Tensor), () => group.AllGather(memory, type, timeout, cancellationToken));
    }

    private static (MemoryPiece[], TensorType) MemoryOf(IReadOnlyCollection<TensorPiece> pieces)
    {
        ArgumentNullException.ThrowIfNull(pieces);
        var memory = new MemoryPiece[pieces.Count];
        TensorType? common = null;
        int at = 0;
        foreach (TensorPiece piece in pieces)
        {
            (nint address, TensorType type) = TorchTensor.MemoryOf(piece.Tensor);
            if ((common ??= type) != type)
                throw new ArgumentException($"All pieces of a call must have one dtype; here are {common} and {type}.", nameof(pieces));
            ArgumentOutOfRangeException.ThrowIfNegative(piece.Start, nameof(pieces));
            ArgumentOutOfRangeException.ThrowIfNegative(piece.Elements, nameof(pieces));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(piece.Elements, piece.Tensor.NumberOfElements - piece.Start, nameof(pieces));
            memory[at++] = new MemoryPiece(address + (nint)(piece.Start * type.BitsPerElement() / 8), piece.Elements, piece.Owner);
        }
        return (memory, common ?? TensorType.F32);
    }

    private static void Keep(IEnumerable<torch.Tensor> tensors, Action call)
    {
        try
        {
            call();
        }
        catch
        {
            lock (Abandoned)
                Abandoned.AddRange(tensors.Select(tensor => tensor.detach().DetachFromDisposeScope()));
            throw;
        }
        GC.KeepAlive(tensors);
    }
}
