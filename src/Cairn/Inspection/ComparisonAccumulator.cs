using System.Numerics;
using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Inspection;

/// <summary>Takes up blocks of two tensors and measures how they differ. For one thread.</summary>
internal sealed class ComparisonAccumulator
{
    private const int PieceValues = StatisticsAccumulator.PieceValues;

    private readonly double[] _left = new double[PieceValues], _right = new double[PieceValues], _finiteLeft = new double[PieceValues], _finiteRight = new double[PieceValues];
    private readonly float[] _singles = new float[PieceValues];

    public long Values { get; private set; }
    public long Different { get; private set; }
    public long OneNaN { get; private set; }
    public long BothNaN { get; private set; }
    public double MaxAbsolute { get; private set; }
    public double MaxRelative { get; private set; }

    /// <summary>Adds as many whole elements of both and gives their products, which are summed elsewhere in the order of the blocks.</summary>
    public Products Add(TensorType leftType, ReadOnlySpan<byte> left, TensorType rightType, ReadOnlySpan<byte> right)
    {
        int elements = PieceValues / Math.Max(ElementDecoder.ValuesPerElement(leftType), ElementDecoder.ValuesPerElement(rightType));
        int leftPiece = elements * leftType.BitsPerElement() / 8, rightPiece = elements * rightType.BitsPerElement() / 8;
        bool wholeNumbers = leftType == rightType && leftType is TensorType.I64 or TensorType.U64;
        var products = default(Products);
        while (!left.IsEmpty)
        {
            ReadOnlySpan<byte> nextLeft = left[..Math.Min(leftPiece, left.Length)], nextRight = right[..Math.Min(rightPiece, right.Length)];
            ReadOnlySpan<double> a = ElementDecoder.Decode(leftType, nextLeft, _left, _singles);
            ReadOnlySpan<double> b = ElementDecoder.Decode(rightType, nextRight, _right, _singles);
            long different = Different;
            products += AddPiece(a, b);
            if (wholeNumbers)
                Different = different + DifferentIntegers(nextLeft, nextRight, leftType == TensorType.I64);
            left = left[nextLeft.Length..];
            right = right[nextRight.Length..];
        }
        return products;
    }

    /// <summary>Adds what another one took up. The products are not part of it.</summary>
    public void Merge(ComparisonAccumulator other)
    {
        Values += other.Values;
        Different += other.Different;
        OneNaN += other.OneNaN;
        BothNaN += other.BothNaN;
        MaxAbsolute = Math.Max(MaxAbsolute, other.MaxAbsolute);
        MaxRelative = Math.Max(MaxRelative, other.MaxRelative);
    }

    /// <summary>Forgets all values.</summary>
    public void Clear()
    {
        Values = Different = OneNaN = BothNaN = 0;
        MaxAbsolute = MaxRelative = 0;
    }

    private Products AddPiece(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        Values += left.Length;
        Found found = Sweep(left, right);
        if (!double.IsFinite(found.Products.Left + found.Products.Right))
        {
            int count = TakeFinite(left, right);
            found = Sweep(_finiteLeft.AsSpan(0, count), _finiteRight.AsSpan(0, count));
        }
        Different += found.Different;
        MaxAbsolute = Math.Max(MaxAbsolute, found.Absolute);
        MaxRelative = Math.Max(MaxRelative, found.Relative);
        return found.Products;
    }

    private int TakeFinite(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        int count = 0;
        for (int i = 0; i < left.Length; i++)
        {
            (double a, double b) = (left[i], right[i]);
            if (double.IsFinite(a) && double.IsFinite(b))
            {
                (_finiteLeft[count], _finiteRight[count]) = (a, b);
                count++;
            }
            else if (!a.Equals(b))
            {
                Different++;
                OneNaN += double.IsNaN(a) || double.IsNaN(b) ? 1 : 0;
                MaxAbsolute = MaxRelative = double.PositiveInfinity;
            }
            else if (double.IsNaN(a))
                BothNaN++;
        }
        return count;
    }

    // Above 2^53 two integers may differ and be the same double.
    private long DifferentIntegers(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, bool signed)
    {
        ReadOnlySpan<ulong> a = MemoryMarshal.Cast<byte, ulong>(left), b = MemoryMarshal.Cast<byte, ulong>(right);
        long different = 0;
        for (int i = 0; i < a.Length; i++)
        {
            if (a[i] == b[i])
                continue;
            different++;
            bool isMore = signed ? (long)a[i] > (long)b[i] : a[i] > b[i];
            double distance = isMore ? a[i] - b[i] : b[i] - a[i];
            double size = signed ? Math.Max(Math.Abs((double)(long)a[i]), Math.Abs((double)(long)b[i])) : Math.Max(a[i], b[i]);
            MaxAbsolute = Math.Max(MaxAbsolute, distance);
            MaxRelative = Math.Max(MaxRelative, distance / size);
        }
        return different;
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Found(Products Products, long Different, double Absolute, double Relative);

    // By hand, because it is one pass: System.Numerics.Tensors has each of these alone.
    private static Found Sweep(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        Vector<double> both = Vector<double>.Zero, lefts = both, rights = both, squares = both, absolute = both, relative = both;
        Vector<long> nones = Vector<long>.Zero;
        int i = 0, step = Vector<double>.Count;
        for (; i <= left.Length - step; i += step)
        {
            Vector<double> a = new(left[i..]), b = new(right[i..]), distance = Vector.Abs(a - b);
            both += a * b;
            lefts += a * a;
            rights += b * b;
            squares += distance * distance;
            absolute = Vector.MaxNative(absolute, distance);
            Vector<long> same = Vector.Equals(a, b);
            nones += same;
            // Zero by zero is no number, and no difference.
            Vector<double> share = distance / Vector.MaxNative(Vector.Abs(a), Vector.Abs(b));
            relative = Vector.MaxNative(relative, Vector.AndNot(share, Vector.AsVectorDouble(same)));
        }
        var products = new Products(Vector.Sum(both), Vector.Sum(lefts), Vector.Sum(rights), Vector.Sum(squares));
        long different = i + Vector.Sum(nones);
        double most = 0, largest = 0;
        for (int lane = 0; lane < step; lane++)
            (most, largest) = (Math.Max(most, absolute[lane]), Math.Max(largest, relative[lane]));
        for (; i < left.Length; i++)
        {
            double a = left[i], b = right[i], distance = Math.Abs(a - b);
            products += new Products(a * b, a * a, b * b, distance * distance);
            if (a == b)
                continue;
            different++;
            most = Math.Max(most, distance);
            largest = Math.Max(largest, distance / Math.Max(Math.Abs(a), Math.Abs(b)));
        }
        return new Found(products, different, most, largest);
    }
}
