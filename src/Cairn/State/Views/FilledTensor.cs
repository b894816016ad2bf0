namespace Cairn.State;

/// <summary>A tensor all of whose elements are equal. It has no memory but that of one element.</summary>
internal sealed class FilledTensor : StateTensor
{
    private readonly byte[] _element;

    /// <summary>A tensor of this value.</summary>
    /// <exception cref="ArgumentException">The value is not 0, and the type is none of F64, F32, F16 and BF16.</exception>
    public FilledTensor(TensorType type, ReadOnlySpan<long> shape, double value) : base(type, shape)
    {
        _element = new byte[Math.Max(1, type.BitsPerElement() / 8)];
        if (value != 0)
            CastTensor.Of(new MemoryTensor(TensorType.F64, [], BitConverter.GetBytes(value)), type).CopyTo(0, _element);
    }

    /// <inheritdoc/>
    public override void CopyTo(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset > ByteLength - destination.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{destination.Length} bytes at {offset} do not lie within the {ByteLength} bytes of {this}.");
        int start = (int)(offset % _element.Length);
        for (int i = 0; i < Math.Min(destination.Length, _element.Length); i++)
            destination[i] = _element[(start + i) % _element.Length];
        // What was filled is copied behind itself; its length stays a multiple of the element's.
        for (int done = _element.Length; done < destination.Length; done *= 2)
            destination[..Math.Min(done, destination.Length - done)].CopyTo(destination[done..]);
    }
}
