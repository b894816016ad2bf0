namespace Cairn.State;

/// <summary>The same bytes under another shape: what <c>view</c> does to a dense tensor.</summary>
internal sealed class ReshapedTensor : StateTensor
{
    private readonly StateTensor _source;

    /// <summary>A tensor of another shape over the bytes of <paramref name="source"/>.</summary>
    /// <exception cref="ArgumentException">The shapes do not have the same number of elements.</exception>
    public ReshapedTensor(StateTensor source, ReadOnlySpan<long> shape) : base(source.Type, shape)
    {
        if (ByteLength != source.ByteLength)
            throw new ArgumentException($"{source} cannot be seen as {this}: the numbers of elements differ.", nameof(shape));
        _source = source;
    }

    /// <inheritdoc/>
    public override void CopyTo(long offset, Span<byte> destination) => _source.CopyTo(offset, destination);

    /// <inheritdoc/>
    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes) => _source.TryGetSpan(offset, length, out bytes);
}
