using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Cairn.State;

/// <summary>
/// Gathers elements that do not lie one after the other: a transposed matrix, every second column, one element shown often. Where the source
/// is a file it is read in pieces that are as large as the elements lie densely.
/// </summary>
/// <param name="source">What is read.</param>
/// <param name="start">Bytes of the source before the first element.</param>
/// <param name="shape">Sizes of the dimensions.</param>
/// <param name="strides">Bytes from one to the next, for each dimension; not negative.</param>
/// <param name="elementSize">Bytes of an element.</param>
internal sealed class StridedCopy(StateTensor source, long start, long[] shape, long[] strides, int elementSize)
{
    // Reading a hole costs less than another call, but not for ever.
    private const long WindowBytes = 1 << 20;
    private const long MaxWaste = 4;

    /// <summary>Copies from a byte of the dense, row-major order on.</summary>
    public void CopyTo(long offset, Span<byte> destination)
    {
        // Whole elements; the ends may be asked for within one.
        Span<byte> element = stackalloc byte[16];
        element = element[..elementSize];
        int within = (int)(offset % elementSize);
        if (within > 0 && !destination.IsEmpty)
        {
            CopyElements(offset / elementSize, element);
            int taken = Math.Min(destination.Length, elementSize - within);
            element.Slice(within, taken).CopyTo(destination);
            offset += taken;
            destination = destination[taken..];
        }
        int rest = destination.Length % elementSize;
        CopyElements(offset / elementSize, destination[..^rest]);
        if (rest > 0)
        {
            CopyElements((offset + destination.Length) / elementSize, element);
            element[..rest].CopyTo(destination[^rest..]);
        }
    }

    private void CopyElements(long first, Span<byte> destination)
    {
        if (destination.IsEmpty)
            return;
        using var gather = new Gather(source, elementSize);
        CopyRange(gather, 0, start, first, destination);
    }

    /// <summary>Cuts a range of the row-major order into boxes: the end of a row, whole rows, the beginning of a row, for each dimension.</summary>
    private void CopyRange(Gather gather, int dimension, long position, long first, Span<byte> destination)
    {
        long count = destination.Length / elementSize;
        if (count == 0)
            return;
        if (dimension == shape.Length)
        {
            gather.Copy(position, [], destination);
            return;
        }
        long inner = 1;
        foreach (long size in shape.AsSpan(dimension + 1))
            inner *= size;
        long step = strides[dimension];
        long row = first / inner, within = first % inner;
        if (within > 0 || count < inner)
        {
            long head = Math.Min(count, inner - within);
            int bytes = (int)head * elementSize;
            CopyRange(gather, dimension + 1, position + (row * step), within, destination[..bytes]);
            CopyRange(gather, dimension, position, first + head, destination[bytes..]);
            return;
        }
        long rows = count / inner;
        int whole = (int)(rows * inner) * elementSize;
        gather.Copy(position + (row * step), Axes(dimension, rows), destination[..whole]);
        if (whole < destination.Length)
            CopyRange(gather, dimension + 1, position + ((row + rows) * step), 0, destination[whole..]);
    }

    /// <summary>The axes of a box, those that lie farthest apart in the source first. Dimensions of one element are left out.</summary>
    private Axis[] Axes(int dimension, long rows)
    {
        var axes = new List<Axis>(shape.Length - dimension);
        long step = elementSize;
        for (int i = shape.Length - 1; i >= dimension; i--)
        {
            long count = i == dimension ? rows : shape[i];
            if (count > 1)
                axes.Add(new Axis(count, strides[i], step));
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
