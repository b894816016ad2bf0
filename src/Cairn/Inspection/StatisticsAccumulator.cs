using System.Numerics;
using Cairn.State;

namespace Cairn.Inspection;

/// <summary>Takes up blocks of elements and counts, measures and sorts their values. For one thread.</summary>
internal sealed class StatisticsAccumulator
{
    /// <summary>Values that are looked at together; they stay in the first-level cache.</summary>
    public const int PieceValues = 1024;

    private readonly double[] _decoded = new double[PieceValues], _finite = new double[PieceValues];
    private readonly float[] _singles = new float[PieceValues];

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
        Histogram.Add(values, Math.Max(Math.Abs(min), Math.Abs(max)));
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
            else if (double.IsNaN(value))
                NaN++;
            else if (value > 0)
                PositiveInfinity++;
            else
                NegativeInfinity++;
        }
        return _finite.AsSpan(0, count);
    }

    // The sum of values among which one is not finite is not finite either.
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

    private static double SquaredDeviations(ReadOnlySpan<double> values, double mean)
    {
        Vector<double> means = new(mean), sums = Vector<double>.Zero, moreSums = Vector<double>.Zero;
        int i = 0, step = Vector<double>.Count;
        for (; i <= values.Length - 2 * step; i += 2 * step)
        {
            Vector<double> low = new Vector<double>(values[i..]) - means, high = new Vector<double>(values[(i + step)..]) - means;
            sums += low * low;
            moreSums += high * high;
        }
        double sum = Vector.Sum(sums + moreSums);
        for (; i < values.Length; i++)
            sum += (values[i] - mean) * (values[i] - mean);
        return sum;
    }
}
