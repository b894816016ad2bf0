using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// A view whose elements do not lie one after the other: a transposed matrix, every second column, one element shown often. Copies gather
/// them; where the source is a file it is read in pieces that are as large as the elements lie densely.
/// </summary>
internal sealed class GatherTensor : StateTensor
{
    // Reading a hole costs less than another call, but not for ever.
    private const long WindowBytes = 1 << 20;
    private const long MaxWaste = 4;

    private readonly StateTensor _source;
    private readonly long _start;
    private readonly long[] _shape, _strides;
    private readonly int _elementSize;

    public GatherTensor(StateTensor source, long start, TensorType type, long[] shape, long[] strides) : base(type, shape)
    {
        (_source, _start, _shape, _strides, _elementSize) = (source, start, shape, strides, type.BitsPerElement() / 8);
    }

    /// <summary>Whether the elements lie one after the other, row by row. The stride of a dimension of one element says nothing.</summary>
    public static bool IsDense(ReadOnlySpan<long> shape, ReadOnlySpan<long> strides)
    {
        Int128 expected = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            if (shape[i] == 0)
                return true;
            if (shape[i] == 1)
                continue;
            if (strides[i] != expected)
                return shape.Contains(0);
            expected *= shape[i];
        }
        return true;
    }

    public override void CopyTo(long offset, Span<byte> destination)
    {
        StorageTensor.CheckRange(this, offset, destination.Length);
        // Whole elements; the ends may be asked for within one.
        Span<byte> element = stackalloc byte[16];
        element = element[.._elementSize];
        int within = (int)(offset % _elementSize);
        if (within > 0 && !destination.IsEmpty)
        {
            CopyElements(offset / _elementSize, element);
            int taken = Math.Min(destination.Length, _elementSize - within);
            element.Slice(within, taken).CopyTo(destination);
            offset += taken;
            destination = destination[taken..];
        }
        int rest = destination.Length % _elementSize;
        CopyElements(offset / _elementSize, destination[..^rest]);
        if (rest > 0)
        {
            CopyElements((offset + destination.Length) / _elementSize, element);
            element[..rest].CopyTo(destination[^rest..]);
        }
    }

    private void CopyElements(long first, Span<byte> destination)
    {
        if (destination.IsEmpty)
            return;
        using var gather = new Gather(_source, _elementSize);
        CopyRange(gather, 0, _start, first, destination);
    }

    /// <summary>Cuts a range of the row-major order into boxes: the end of a row, whole rows, the beginning of a row, for each dimension.</summary>
    private void CopyRange(Gather gather, int dimension, long source, long first, Span<byte> destination)
    {
        long count = destination.Length / _elementSize;
        if (count == 0)
            return;
        if (dimension == _shape.Length)
        {
            gather.Copy(source, [], destination);
            return;
        }
        long inner = 1;
        foreach (long size in _shape.AsSpan(dimension + 1))
            inner *= size;
        long step = _strides[dimension] * _elementSize;
        long row = first / inner, within = first % inner;
        if (within > 0 || count < inner)
        {
            long head = Math.Min(count, inner - within);
            int bytes = (int)head * _elementSize;
            CopyRange(gather, dimension + 1, source + (row * step), within, destination[..bytes]);
            CopyRange(gather, dimension, source, first + head, destination[bytes..]);
            return;
        }
        long rows = count / inner;
        int whole = (int)(rows * inner) * _elementSize;
        gather.Copy(source + (row * step), Axes(dimension, rows), destination[..whole]);
        if (whole < destination.Length)
            CopyRange(gather, dimension + 1, source + ((row + rows) * step), 0, destination[whole..]);
    }

    /// <summary>The axes of a box, those that lie farthest apart in the source first. Dimensions of one element are left out.</summary>
    private Axis[] Axes(int dimension, long rows)
    {
        var axes = new List<Axis>(_shape.Length - dimension);
        long step = _elementSize;
        for (int i = _shape.Length - 1; i >= dimension; i--)
        {
            long count = i == dimension ? rows : _shape[i];
            if (count > 1)
                axes.Add(new Axis(count, _strides[i] * _elementSize, step));
            step *= count;
        }
        axes.Sort((a, b) => b.SourceStep.CompareTo(a.SourceStep));
        // Two axes that lie as one in both places are one.
        for (int i = axes.Count - 1; i > 0; i--)
        {
            Axis outer = axes[i - 1], inner = axes[i];
            if (outer.SourceStep != inner.SourceStep * inner.Count || outer.Step != inner.Step * inner.Count)
                continue;
            axes[i - 1] = inner with { Count = inner.Count * outer.Count };
            axes.RemoveAt(i);
        }
        return [.. axes];
    }

    /// <summary>A direction of a box: how often, and how many bytes apart in the source and in the destination.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Axis(long Count, long SourceStep, long Step);

    /// <summary>Copies boxes, with one buffer.</summary>
    private sealed class Gather(StateTensor source, int elementSize) : IDisposable
    {
        private byte[]? _buffer;

        public void Copy(long start, ReadOnlySpan<Axis> axes, Span<byte> destination)
        {
            long range = elementSize, bytes = elementSize;
            foreach (Axis axis in axes)
            {
                range += (axis.Count - 1) * axis.SourceStep;
                bytes *= axis.Count;
            }
            if (axes.IsEmpty || (axes is [Axis only] && only.SourceStep == elementSize && only.Step == elementSize && bytes <= destination.Length))
            {
                source.CopyTo(start, destination[..(int)bytes]);
                return;
            }
            if (range <= WindowBytes && (range <= bytes * MaxWaste || axes.Length == 1))
            {
                Spread(Window(start, (int)range), axes, destination, elementSize);
                return;
            }
            Axis outer = axes[0];
            // As many at once as lie densely in one window.
            long innerRange = range - ((outer.Count - 1) * outer.SourceStep), innerBytes = bytes / outer.Count;
            long together = innerRange > WindowBytes || outer.SourceStep > innerBytes * MaxWaste || outer.SourceStep == 0 ? 1
                : Math.Clamp(1 + ((WindowBytes - innerRange) / outer.SourceStep), 1, outer.Count);
            // The inner axes are what is sparse.
            if (together == outer.Count)
                together = 1;
            if (axes.Length == 1)
                together = Math.Max(1, Math.Min(outer.Count, 1 + ((WindowBytes - elementSize) / outer.SourceStep)));
            Axis[] part = axes.ToArray();
            for (long i = 0; i < outer.Count; i += together)
            {
                long count = Math.Min(together, outer.Count - i);
                part[0] = outer with { Count = count };
                Copy(start + (i * outer.SourceStep), count == 1 ? part.AsSpan(1) : part, destination[(int)(i * outer.Step)..]);
            }
        }

        private ReadOnlySpan<byte> Window(long start, int length)
        {
            if (source.TryGetSpan(start, length, out ReadOnlySpan<byte> bytes))
                return bytes;
            _buffer ??= ArrayPool<byte>.Shared.Rent((int)WindowBytes);
            source.CopyTo(start, _buffer.AsSpan(0, length));
            return _buffer.AsSpan(0, length);
        }

        public void Dispose()
        {
            if (_buffer is not null)
                ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = null;
        }
    }

    private static void Spread(ReadOnlySpan<byte> source, ReadOnlySpan<Axis> axes, Span<byte> destination, int elementSize)
    {
        if (axes.Length > 1)
        {
            for (int i = 0; i < axes[0].Count; i++)
                Spread(source[(int)(i * axes[0].SourceStep)..], axes[1..], destination[(int)(i * axes[0].Step)..], elementSize);
            return;
        }
        switch (elementSize)
        {
            case 1: SpreadLine<byte>(source, axes[0], destination); break;
            case 2: SpreadLine<ushort>(source, axes[0], destination); break;
            case 4: SpreadLine<uint>(source, axes[0], destination); break;
            case 8: SpreadLine<ulong>(source, axes[0], destination); break;
            default: SpreadLine<UInt128>(source, axes[0], destination); break;
        }
    }

    private static void SpreadLine<T>(ReadOnlySpan<byte> source, Axis axis, Span<byte> destination) where T : unmanaged
    {
        // Checked once: the loop below is all the time that a transposed copy takes.
        long last = axis.Count - 1;
        _ = source.Slice(checked((int)(last * axis.SourceStep)), Unsafe.SizeOf<T>());
        _ = destination.Slice(checked((int)(last * axis.Step)), Unsafe.SizeOf<T>());
        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(destination);
        nint fromStep = (nint)axis.SourceStep, toStep = (nint)axis.Step;
        for (nint i = 0, f = 0, t = 0; i < (nint)axis.Count; i++, f += fromStep, t += toStep)
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref to, t), Unsafe.ReadUnaligned<T>(ref Unsafe.Add(ref from, f)));
    }
}
