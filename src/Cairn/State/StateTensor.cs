namespace Cairn.State;

/// <summary>
/// A dense, row-major, little-endian tensor: live memory of a model, a copy in staging, or bytes in a file.
/// The same instance at two places of the state is a tie: it is stored once and restored as a tie.
/// </summary>
public abstract class StateTensor : StateNode
{
    /// <summary>The most dimensions that a tensor can have, when it is saved and when it is read: as many as numpy and PyTorch allow.</summary>
    internal const int MaxRank = 64;

    /// <summary>A tensor of this type and shape.</summary>
    /// <exception cref="ArgumentException">The shape has more than 64 dimensions, or does not give a whole number of bytes.</exception>
#pragma warning disable RS0022 // Anybody's memory can be a tensor, and no other node is open.
    protected StateTensor(TensorType type, ReadOnlySpan<long> shape)
#pragma warning restore RS0022
    {
        if (shape.Length > MaxRank)
            throw new ArgumentException($"A tensor has at most {MaxRank} dimensions, not {shape.Length}.", nameof(shape));
        Type = type;
        Shape = shape.ToArray();
        ByteLength = type.ByteLength(shape);
    }

    /// <summary>Element type.</summary>
    public TensorType Type { get; }
    /// <summary>Sizes of the dimensions, outermost first; empty for a single value.</summary>
    public IReadOnlyList<long> Shape { get; }
    /// <summary>Bytes of the whole tensor.</summary>
    public long ByteLength { get; }

    /// <summary>The shape.</summary>
    internal ReadOnlySpan<long> Sizes => (long[])Shape;

    /// <summary>
    /// Whether the bytes change in the update alone (<c>optimizer.step()</c>), and neither in a forward nor in a backward pass: parameters and the moments of an optimizer do, running statistics and
    /// gradients do not. Such a tensor may still be copied while the next batch has begun (<see cref="CheckpointOptions.OverlapCapture"/>).
    /// </summary>
    public bool ChangesOnlyInUpdate { get; init; }

    /// <summary>
    /// Whether training leaves the bytes as they are: of a parameter that takes no gradient (<c>requires_grad = false</c>), as the base weights in a fine-tune. Such tensors get a file of their own, which copies
    /// share (<see cref="CheckpointOptions.ShareUnchanged"/>). It is only a hint: each save looks at the bytes, and writes them when they are others.
    /// </summary>
    public bool IsFrozen { get; init; }

    /// <summary>How many shards, in as many places of the files, it is put together from; 1 for a tensor that lies in one piece.</summary>
    public virtual int ShardCount => 1;

    /// <summary>Copies the bytes from <paramref name="offset"/> on into <paramref name="destination"/>. May be called from several threads at once.</summary>
    /// <exception cref="CheckpointException">The bytes come from a file that could not be read.</exception>
    public abstract void CopyTo(long offset, Span<byte> destination);

    /// <summary>Gives the bytes without a copy where they lie in memory; otherwise <see langword="false"/>.</summary>
    public virtual bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        return false;
    }

    /// <summary>
    /// Keeps the memory of the bytes from being freed until the result is disposed, although its owner may dispose it before; <see langword="null"/> where the garbage collector keeps it, as it does arrays.
    /// Asked for when the bytes are still read while training goes on (<see cref="ChangesOnlyInUpdate"/>).
    /// </summary>
    public virtual IDisposable? Hold() => null;

    /// <summary>A shard of this tensor, as a tensor of its own. Nothing is copied until its bytes are asked for.</summary>
    /// <exception cref="ArgumentException">The shard is of a tensor of another shape, or the elements do not fill whole bytes.</exception>
    public StateTensor Slice(ShardExtent extent)
    {
        ArgumentNullException.ThrowIfNull(extent);
        if (!Shape.SequenceEqual(extent.GlobalShape))
            throw new ArgumentException($"The shard {extent} is not one of a tensor {this}.", nameof(extent));
        if (extent.IsWhole)
            return this;
        return this is JoinedTensor joined ? joined.SliceShards(extent) : new JoinedTensor(Type, extent, [(ShardExtent.Whole([.. Shape]), this)]);
    }

    /// <summary>The tensor that shards make up. Where one of them is all of it, that one.</summary>
    /// <param name="name">The tensor's name, for errors.</param>
    /// <param name="shards">The shards; replicas of one another count once.</param>
    /// <exception cref="ShardOwnershipException">An element is held by none or by several.</exception>
    /// <exception cref="ArgumentException">There is none, or they differ in type or global shape.</exception>
    public static StateTensor Join(string name, IReadOnlyList<ShardTensor> shards)
    {
        ArgumentNullException.ThrowIfNull(shards);
        if (shards.Count == 0)
            throw new ArgumentException("There is no shard.", nameof(shards));
        ShardTensor first = shards[0];
        if (shards.FirstOrDefault(shard => shard.Type != first.Type || !shard.Extent.GlobalShape.SequenceEqual(first.Extent.GlobalShape)) is { } other)
            throw new ArgumentException($"The shards of '{name}' are of different tensors: {first} and {other}.", nameof(shards));
        long[] shape = [.. first.Extent.GlobalShape];
        if (ShardOwnership.FaultOf(name, shape, shards.Select(shard => shard.Extent)) is { } fault)
            throw ShardOwnershipException.Of([fault]);
        return JoinChecked(shards);
    }

    /// <summary>As <see cref="Join"/>, for shards that are known to hold each element.</summary>
    internal static StateTensor JoinChecked(IReadOnlyList<ShardTensor> shards)
    {
        ShardTensor first = shards[0];
        long[] shape = [.. first.Extent.GlobalShape];
        return shards.FirstOrDefault(shard => shard.Extent.IsWhole)?.Local
            ?? new JoinedTensor(first.Type, ShardExtent.Whole(shape), [.. shards.DistinctBy(shard => shard.Extent).Select(shard => (shard.Extent, shard.Local))]);
    }

    /// <summary>The type and shape as people write them, for example <c>F32[4, 8]</c>.</summary>
    public override string ToString() => $"{Type}[{string.Join(", ", Shape)}]";
}

/// <summary>A tensor in managed memory.</summary>
public sealed class MemoryTensor : StateTensor
{
    private readonly ReadOnlyMemory<byte> _bytes;

    /// <summary>A tensor of these bytes; they are not copied.</summary>
    /// <exception cref="ArgumentException">The number of bytes does not fit type and shape.</exception>
    public MemoryTensor(TensorType type, ReadOnlySpan<long> shape, ReadOnlyMemory<byte> bytes) : base(type, shape)
    {
        if (bytes.Length != ByteLength)
            throw new ArgumentException($"{this} takes {ByteLength} bytes, not {bytes.Length}.", nameof(bytes));
        _bytes = bytes;
    }

    /// <inheritdoc/>
    public override void CopyTo(long offset, Span<byte> destination) =>
        _bytes.Span.Slice(checked((int)offset), destination.Length).CopyTo(destination);

    /// <inheritdoc/>
    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = _bytes.Span.Slice(checked((int)offset), length);
        return true;
    }
}
