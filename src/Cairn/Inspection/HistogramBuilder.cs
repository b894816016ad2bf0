using System.Numerics;

namespace Cairn.Inspection;

/// <summary>
/// Counts values in bins without knowing their range beforehand. The width is a power of two, and bins lie at its multiples; when a value lies
/// outside, the width doubles and neighbours merge. So the result depends on the values alone, not on their order or on how they were shared among threads.
/// </summary>
internal sealed class HistogramBuilder
{
    private const int HalfBits = 10, Half = 1 << HalfBits, Bins = 2 * Half;
    // 2 to the power of minus this is still finite, and what is smaller is as good as zero.
    private const int SmallestExponent = -1000;
    private const uint FoldAfter = 1u << 30;

    private readonly long[] _counts = new long[Bins];
    // Neighbouring values often fall into one bin: two tables keep an increment from waiting for the one before it.
    private readonly uint[] _even = new uint[Bins], _odd = new uint[Bins];
    private readonly int[] _places = new int[StatisticsAccumulator.PieceValues];
    private int _exponent = SmallestExponent;
    private uint _unfolded;
    private bool _any;

    /// <summary>Adds finite values, at most a piece.</summary>
    /// <param name="values">The values.</param>
    /// <param name="largest">The largest of their sizes.</param>
    public void Add(ReadOnlySpan<double> values, double largest)
    {
        Reach(largest);
        if (_unfolded > FoldAfter)
            Fold();
        Place(values);
        Span<int> places = _places.AsSpan(0, values.Length);
        uint[] even = _even, odd = _odd;
        int i = 0;
        for (; i + 1 < places.Length; i += 2)
        {
            even[places[i]]++;
            odd[places[i + 1]]++;
        }
        if (i < places.Length)
            even[places[i]]++;
        _unfolded += (uint)values.Length;
        _any |= values.Length > 0;
    }

    /// <summary>Adds what another one counted.</summary>
    public void Merge(HistogramBuilder other)
    {
        if (!other._any)
            return;
        other.Fold();
        Fold();
        if (other._exponent > _exponent)
            WidenTo(other._exponent);
        int shift = Math.Min(_exponent - other._exponent, 31);
        for (int i = 0; i < Bins; i++)
            _counts[((i - Half) >> shift) + Half] += other._counts[i];
        _any = true;
    }

    /// <summary>Forgets all values.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        Array.Clear(_even);
        Array.Clear(_odd);
        (_exponent, _unfolded, _any) = (SmallestExponent, 0, false);
    }

    /// <summary>The counts in at most this many bins between the smallest and the largest value.</summary>
    public ValueHistogram Build(double min, double max, int bins)
    {
        Fold();
        double width = Math.ScaleB(1, _exponent);
        int low = (int)Math.Floor(min / width), high = (int)Math.Floor(max / width);
        int group = Math.Max(1, (high - low + bins) / bins);
        while (FloorDivide(high, group) - FloorDivide(low, group) >= bins)
            group++;
        int first = FloorDivide(low, group);
        long[] counts = new long[FloorDivide(high, group) - first + 1];
        for (int i = low; i <= high; i++)
            counts[FloorDivide(i, group) - first] += _counts[i + Half];
        return new ValueHistogram((double)first * group * width, group * width, counts);
    }

    private static int FloorDivide(int value, int by) => (value >= 0 ? value : value - by + 1) / by;

    private void Reach(double largest)
    {
        // All |x| < 2^(e + 1) lie inside when half of the bins reach so far.
        int needed = largest == 0 ? SmallestExponent : Math.Max(SmallestExponent, Math.ILogB(largest) + 1 - HalfBits);
        if (needed > _exponent)
        {
            Fold();
            WidenTo(needed);
        }
    }

    private void WidenTo(int exponent)
    {
        int shift = Math.Min(exponent - _exponent, 31);
        _exponent = exponent;
        if (!_any)
            return;
        // Towards the middle: what moves never lands where something has still to be moved from.
        for (int i = 0; i < Half; i++)
            Move(i + Half, (i >> shift) + Half);
        for (int i = -1; i >= -Half; i--)
            Move(i + Half, (i >> shift) + Half);
    }

    private void Move(int from, int to)
    {
        if (from == to)
            return;
        _counts[to] += _counts[from];
        _counts[from] = 0;
    }

    private void Fold()
    {
        if (_unfolded == 0)
            return;
        for (int i = 0; i < Bins; i++)
            _counts[i] += (long)_even[i] + _odd[i];
        Array.Clear(_even);
        Array.Clear(_odd);
        _unfolded = 0;
    }

    // The bin of each value.
    private void Place(ReadOnlySpan<double> values)
    {
        double scale = Math.ScaleB(1, -_exponent);
        var scales = new Vector<double>(scale);
        var half = new Vector<int>(Half);
        Span<int> places = _places;
        int i = 0, step = Vector<double>.Count;
        for (; i <= values.Length - 2 * step; i += 2 * step)
        {
            Vector<double> low = Vector.Floor(new Vector<double>(values[i..]) * scales), high = Vector.Floor(new Vector<double>(values[(i + step)..]) * scales);
            // Whole numbers of 11 bits are exact in single precision, from which there is an instruction to integers.
            (Vector.ConvertToInt32(Vector.Narrow(low, high)) + half).CopyTo(places[i..]);
        }
        for (; i < values.Length; i++)
            places[i] = (int)Math.Floor(values[i] * scale) + Half;
    }
}
