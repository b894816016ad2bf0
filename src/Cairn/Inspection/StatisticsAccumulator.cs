using System.Numerics;
using System.Numerics.Tensors;
using Cairn.State;

namespace Cairn.Inspection;

/// <summary>Takes up blocks of elements and counts, measures and sorts their values. For one thread.</summary>
internal sealed class StatisticsAccumulator
{
    /// <summary>Values that are looked at together; they stay in the first-level cache.</summary>
    public const int PieceValues = 1024;

    private readonly double[] _decoded = new double[PieceValues], _finite = new double[PieceValues], _deviations = new double[PieceValues];
    private readonly float[] _singles = new float[PieceValues];
    private readonly uint[] _ofByte = new uint[4 * 256];

    public HistogramBuilder Histogram { get; } = new();
    public long Values { get; private set; }
    public long NaN { get; private set; }
    public long PositiveInfinity { get; private set; }
    public long NegativeInfinity { get; private set; }
    public long Zeros { get; private set; }
    public double Min { get; private set; } = double.PositiveInfinity;
    public double Max { get; private set; } = double.NegativeInfinity;

    /// <summary>Adds whole elements and gives the moments of their finite values, which are merged elsewhere in the order of the blocks.</summary>
    public Moments Add(TensorType type, ReadOnlySpan<byte> bytes)
    {
        if (type.BitsPerElement() == 8)
            return AddBytes(ElementDecoder.TableOf(type), bytes);
        var moments = default(Moments);
        int piece = ElementDecoder.BytesOf(type, PieceValues);
        while (!bytes.IsEmpty)
        {
            int length = Math.Min(piece, bytes.Length);
            moments = moments.Merge(AddPiece(ElementDecoder.Decode(type, bytes[..length], _decoded, _singles)));
            bytes = bytes[length..];
        }
        return moments;
    }

    /// <summary>Adds what another one took up. The moments are not part of it.</summary>
    public void Merge(StatisticsAccumulator other)
    {
        Histogram.Merge(other.Histogram);
        Values += other.Values;
        NaN += other.NaN;
        PositiveInfinity += other.PositiveInfinity;
        NegativeInfinity += other.NegativeInfinity;
        Zeros += other.Zeros;
        Min = Math.Min(Min, other.Min);
        Max = Math.Max(Max, other.Max);
    }

    /// <summary>Forgets all values.</summary>
    public void Clear()
    {
        Histogram.Clear();
        Values = NaN = PositiveInfinity = NegativeInfinity = Zeros = 0;
        (Min, Max) = (double.PositiveInfinity, double.NegativeInfinity);
    }

    // There are only 256 values: it is enough to count them.
    private Moments AddBytes(double[] table, ReadOnlySpan<byte> bytes)
    {
        Array.Clear(_ofByte);
        uint[] counts = _ofByte;
        int i = 0;
        for (; i + 3 < bytes.Length; i += 4)
        {
            counts[bytes[i]]++;
            counts[256 + bytes[i + 1]]++;
            counts[512 + bytes[i + 2]]++;
            counts[768 + bytes[i + 3]]++;
        }
        for (; i < bytes.Length; i++)
            counts[bytes[i]]++;
        var moments = default(Moments);
        for (int code = 0; code < table.Length; code++)
        {
            long count = (long)counts[code] + counts[256 + code] + counts[512 + code] + counts[768 + code];
            if (count == 0)
                continue;
            Values += count;
            double value = table[code];
            if (!double.IsFinite(value))
            {
                TakeNonFinite(value, count);
                continue;
            }
            Zeros += value == 0 ? count : 0;
            Min = Math.Min(Min, value);
            Max = Math.Max(Max, value);
            Histogram.Add(value, count);
            moments = moments.Merge(new Moments(count, value, 0));
        }
        return moments;
    }

    private void TakeNonFinite(double value, long count)
    {
        if (double.IsNaN(value))
            NaN += count;
        else if (value > 0)
            PositiveInfinity += count;
        else
            NegativeInfinity += count;
    }

    private Moments AddPiece(ReadOnlySpan<double> values)
    {
        Values += values.Length;
        (double sum, double min, double max, long zeros) = Sweep(values);
        if (!double.IsFinite(sum))
        {
            values = TakeFinite(values);
            if (values.IsEmpty)
                return default;
            (sum, min, max, zeros) = Sweep(values);
        }
        Zeros += zeros;
        Min = Math.Min(Min, min);
        Max = Math.Max(Max, max);
        Histogram.Add(values, min, max);
        double mean = sum / values.Length;
        return new Moments(values.Length, mean, SquaredDeviations(values, mean));
    }

    private ReadOnlySpan<double> TakeFinite(ReadOnlySpan<double> values)
    {
        int count = 0;
        foreach (double value in values)
        {
            if (double.IsFinite(value))
                _finite[count++] = value;
            else
                TakeNonFinite(value, 1);
        }
        return _finite.AsSpan(0, count);
    }

    // By hand, because it is one pass: System.Numerics.Tensors takes four, and cannot count. The sum of values among which one is not finite is not finite either.
    private static (double Sum, double Min, double Max, long Zeros) Sweep(ReadOnlySpan<double> values)
    {
        double sum = 0, min = double.PositiveInfinity, max = double.NegativeInfinity;
        long zeros = 0;
        int i = 0, step = Vector<double>.Count;
        if (values.Length >= 2 * step)
        {
            Vector<double> sums = Vector<double>.Zero, moreSums = Vector<double>.Zero, mins = new(min), maxs = new(max);
            Vector<long> nones = Vector<long>.Zero;
            for (; i <= values.Length - 2 * step; i += 2 * step)
            {
                Vector<double> low = new(values[i..]), high = new(values[(i + step)..]);
                sums += low;
                moreSums += high;
                mins = Vector.MinNative(mins, Vector.MinNative(low, high));
                maxs = Vector.MaxNative(maxs, Vector.MaxNative(low, high));
                nones += Vector.Equals(low, Vector<double>.Zero) + Vector.Equals(high, Vector<double>.Zero);
            }
            sum = Vector.Sum(sums + moreSums);
            zeros = -Vector.Sum(nones);
            for (int lane = 0; lane < step; lane++)
                (min, max) = (Math.Min(min, mins[lane]), Math.Max(max, maxs[lane]));
        }
        for (; i < values.Length; i++)
        {
            sum += values[i];
            (min, max) = (Math.Min(min, values[i]), Math.Max(max, values[i]));
            zeros += values[i] == 0 ? 1 : 0;
        }
        return (sum, min, max, zeros);
    }

    private double SquaredDeviations(ReadOnlySpan<double> values, double mean)
    {
        Span<double> deviations = _deviations.AsSpan(0, values.Length);
        TensorPrimitives.Subtract(values, mean, deviations);
        return TensorPrimitives.SumOfSquares<double>(deviations);
    }
}
