using System.Numerics;

namespace Cairn.Inspection;

/// <summary>
/// Counts values in bins without knowing their range beforehand. The width is the smallest power of two with which the bins reach from the smallest to
/// the largest value, and bins lie at its multiples; when the range grows, neighbours merge. So the result depends on the values alone, not on their order or
/// on how they were shared among threads.
/// </summary>
internal sealed class HistogramBuilder
{
    private const int Bins = 2048, BinsExponent = 11;
    // 2 to the power of minus this is still finite, and what is smaller is as good as zero.
    private const int SmallestExponent = -1000;
    // Places are whole numbers that a double holds exactly, and to which adding 1.5 * 2^52 rounds.
    private const int PlaceBits = 50;
    private const double Rounder = 1.5 * (1L << 52), Holder = 1L << 52;
    private const uint FoldAfter = 1u << 30;

    // Neighbouring values often fall into one bin: two tables keep an increment from waiting for the one before it.
    private readonly uint[] _even = new uint[Bins], _odd = new uint[Bins];
    private readonly long[] _places = new long[StatisticsAccumulator.PieceValues];
    private long[] _counts = new long[Bins], _spare = new long[Bins];
    private double _low = double.PositiveInfinity, _high = double.NegativeInfinity;
    private int _exponent = SmallestExponent;
    private long _first; // the place of the first bin: its lower edge in widths
    private uint _unfolded;

    /// <summary>Adds finite values, at most a piece.</summary>
    /// <param name="values">The values.</param>
    /// <param name="min">The smallest of them.</param>
    /// <param name="max">The largest of them.</param>
    public void Add(ReadOnlySpan<double> values, double min, double max)
    {
        Reach(min, max);
        if (_unfolded > FoldAfter)
            Fold();
        Place(values);
        ReadOnlySpan<long> places = _places.AsSpan(0, values.Length);
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
    }

    /// <summary>Adds one value many times.</summary>
    public void Add(double value, long count)
    {
        Reach(value, value);
        _counts[PlaceOf(value) - _first] += count;
    }

    /// <summary>Adds what another one counted.</summary>
    public void Merge(HistogramBuilder other)
    {
        if (other._low > other._high)
            return;
        other.Fold();
        Reach(other._low, other._high);
        Move(other._counts, other._first, _exponent - other._exponent, _counts, _first);
    }

    /// <summary>Forgets all values.</summary>
    public void Clear()
    {
        Array.Clear(_counts);
        Array.Clear(_even);
        Array.Clear(_odd);
        (_low, _high, _exponent, _first, _unfolded) = (double.PositiveInfinity, double.NegativeInfinity, SmallestExponent, 0, 0);
    }

    /// <summary>The counts in at most this many bins between the smallest and the largest value.</summary>
    public ValueHistogram Build(int bins)
    {
        Fold();
        double width = Math.ScaleB(1, _exponent);
        long low = PlaceOf(_low), high = PlaceOf(_high), group = Math.Max(1, (high - low + bins) / bins);
        while (FloorDivide(high, group) - FloorDivide(low, group) >= bins)
            group++;
        long first = FloorDivide(low, group);
        long[] counts = new long[FloorDivide(high, group) - first + 1];
        for (long place = low; place <= high; place++)
            counts[FloorDivide(place, group) - first] += _counts[place - _first];
        return new ValueHistogram((double)first * group * width, group * width, counts);
    }

    private static long FloorDivide(long value, long by) => (value >= 0 ? value : value - by + 1) / by;

    private long PlaceOf(double value) => (long)Math.Floor(value * Math.ScaleB(1, -_exponent));

    private void Reach(double min, double max)
    {
        if (min >= _low && max <= _high)
            return;
        Fold();
        bool any = _low <= _high;
        (_low, _high) = (Math.Min(_low, min), Math.Max(_high, max));
        (int exponent, long first) = (_exponent, _first);
        _exponent = ExponentFor(_low, _high);
        _first = PlaceOf(_low);
        if (!any || (_exponent == exponent && _first == first))
            return;
        Array.Clear(_spare);
        Move(_counts, first, _exponent - exponent, _spare, _first);
        (_counts, _spare) = (_spare, _counts);
    }

    private static int ExponentFor(double low, double high)
    {
        double largest = Math.Max(Math.Abs(low), Math.Abs(high)), half = high / 2 - low / 2;
        int exponent = largest == 0 ? SmallestExponent : Math.Max(SmallestExponent, Math.ILogB(largest) - PlaceBits);
        if (half > 0)
            exponent = Math.Max(exponent, Math.ILogB(half) - BinsExponent);
        while (Math.Floor(high * Math.ScaleB(1, -exponent)) - Math.Floor(low * Math.ScaleB(1, -exponent)) >= Bins)
            exponent++;
        return exponent;
    }

    private static void Move(long[] from, long fromFirst, int shift, long[] to, long toFirst)
    {
        shift = Math.Min(shift, 63);
        for (int i = 0; i < Bins; i++)
        {
            if (from[i] != 0)
                to[((fromFirst + i) >> shift) - toFirst] += from[i];
        }
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

    // The bin of each value. Rounding down, and making integers of doubles, are instructions that not every vector unit has: both are done
    // by sums with powers of two, which shift the bits to where they are wanted.
    private void Place(ReadOnlySpan<double> values)
    {
        double scale = Math.ScaleB(1, -_exponent);
        Vector<double> scales = new(scale), firsts = new(_first), rounder = new(Rounder), holder = new(Holder), one = Vector<double>.One;
        var mask = new Vector<long>(Bins - 1);
        Span<long> places = _places;
        int i = 0, step = Vector<double>.Count;
        for (; i <= values.Length - step; i += step)
        {
            Vector<double> exact = new Vector<double>(values[i..]) * scales, near = (exact + rounder) - rounder;
            Vector<double> below = near - (Vector.AsVectorDouble(Vector.GreaterThan(near, exact)) & one);
            (Vector.AsVectorInt64(below - firsts + holder) & mask).CopyTo(places[i..]);
        }
        for (; i < values.Length; i++)
            places[i] = (long)Math.Floor(values[i] * scale) - _first;
    }
}
