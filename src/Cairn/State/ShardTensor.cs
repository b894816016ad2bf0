namespace Cairn.State;

/// <summary>
/// The shard of a global tensor that this rank holds. A part declares it in its state in place of the tensor, under the
/// name that the tensor has on all ranks; a tensor that every rank holds whole is declared as it is. On restore the
/// part gets a tensor of just this shard's elements and shape.
/// </summary>
public sealed class ShardTensor : StateTensor
{
    /// <summary>A shard.</summary>
    /// <param name="local">Its elements, dense.</param>
    /// <param name="extent">Which elements of the global tensor they are.</param>
    /// <exception cref="ArgumentException">The shape is not that of the extent, or the elements do not fill whole bytes.</exception>
    public ShardTensor(StateTensor local, ShardExtent extent) : base(TypeOf(local), ShapeOf(local, extent))
    {
        Local = local;
        Extent = extent;
        ChangesOnlyInUpdate = local.ChangesOnlyInUpdate;
        IsFrozen = local.IsFrozen;
        _ = JoinedTensor.SizeOf(Type);
    }

    /// <summary>The elements.</summary>
    public StateTensor Local { get; }
    /// <summary>Which elements of the global tensor they are.</summary>
    public ShardExtent Extent { get; }

    /// <inheritdoc/>
    public override void CopyTo(long offset, Span<byte> destination) => Local.CopyTo(offset, destination);

    /// <inheritdoc/>
    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes) => Local.TryGetSpan(offset, length, out bytes);

    /// <inheritdoc/>
    public override IDisposable? Hold() => Local.Hold();

    /// <summary>Type, shape and extent, for example <c>F32[4, 8] at [0:4, 0:8] of [8, 8]</c>.</summary>
    public override string ToString() => $"{base.ToString()} at {Extent}";

    private static TensorType TypeOf(StateTensor local)
    {
        ArgumentNullException.ThrowIfNull(local);
        return local is ShardTensor ? throw new ArgumentException("A shard is made of a tensor, not of another shard.", nameof(local)) : local.Type;
    }

    private static long[] ShapeOf(StateTensor local, ShardExtent extent)
    {
        ArgumentNullException.ThrowIfNull(extent);
        return local.Shape.SequenceEqual(extent.LocalShape)
            ? [.. local.Shape]
            : throw new ArgumentException($"A tensor {local} cannot be the shard {extent}, which has the shape [{string.Join(", ", extent.LocalShape)}].", nameof(local));
    }
}
