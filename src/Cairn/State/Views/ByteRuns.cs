using System.Buffers;

namespace Cairn.State;

/// <summary>Reads pieces of a tensor: one by one where they are long, and all at once where reading each would cost more than what lies between them.</summary>
internal static class ByteRuns
{
    private const int ShortRun = 4096;
    private const int SmallSpan = 64 * 1024;

    /// <summary>Copies <paramref name="count"/> runs of equal length, one after the other, into <paramref name="destination"/>.</summary>
    /// <param name="source">What is read.</param>
    /// <param name="count">Number of runs.</param>
    /// <param name="length">Bytes of a run.</param>
    /// <param name="start">The first byte, in the source, of a run.</param>
    /// <param name="destination">Takes <paramref name="count"/> × <paramref name="length"/> bytes.</param>
    public static void Gather(StateTensor source, int count, int length, Func<int, long> start, Span<byte> destination)
    {
        if (length < ShortRun && count > 1 && !source.TryGetSpan(0, 0, out _))
        {
            long low = long.MaxValue, high = 0;
            for (int i = 0; i < count; i++)
            {
                long first = start(i);
                low = Math.Min(low, first);
                high = Math.Max(high, first + length);
            }
            if (high - low <= Math.Max(SmallSpan, 8L * count * length) && high - low <= Array.MaxLength)
            {
                GatherAtOnce(source, low, (int)(high - low), count, length, start, destination);
                return;
            }
        }
        for (int i = 0; i < count; i++)
        {
            Span<byte> run = destination.Slice(i * length, length);
            if (source.TryGetSpan(start(i), length, out ReadOnlySpan<byte> bytes))
                bytes.CopyTo(run);
            else
                source.CopyTo(start(i), run);
        }
    }

    private static void GatherAtOnce(StateTensor source, long low, int span, int count, int length, Func<int, long> start, Span<byte> destination)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(span);
        try
        {
            source.CopyTo(low, buffer.AsSpan(0, span));
            for (int i = 0; i < count; i++)
                buffer.AsSpan((int)(start(i) - low), length).CopyTo(destination.Slice(i * length, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
