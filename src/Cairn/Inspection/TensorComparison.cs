using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Inspection;

/// <summary>
/// How far two tensors of equal shape are from each other. Values are compared as doubles, whatever their types; those of complex elements are their real and
/// imaginary parts. NaN is no difference from NaN, but is counted; an infinity equals itself; everything else that is not finite differs infinitely from what it is compared with: the
/// largest differences and the norm are infinite then, and there is no cosine.
/// </summary>
internal sealed record TensorComparison
{
    /// <summary>Whether type and bytes are the same. Nothing else was computed then.</summary>
    public required bool Identical { get; init; }
    /// <summary>Values that were compared.</summary>
    public required long Values { get; init; }
    /// <summary>Values that differ. Zeros of either sign are equal.</summary>
    public required long Different { get; init; }
    /// <summary>Places at which just one of the two is not a number; they are among <see cref="Different"/>.</summary>
    public required long OneNaN { get; init; }
    /// <summary>Places at which both are not a number. What is said of distances leaves them out, and there is neither norm nor cosine.</summary>
    public required long BothNaN { get; init; }
    /// <summary>The largest |left − right|.</summary>
    public required double MaxAbsolute { get; init; }
    /// <summary>The largest |left − right| as a share of the larger of |left| and |right|: from 0 to 2, or infinite.</summary>
    public required double MaxRelative { get; init; }
    /// <summary>The Euclidean norm of left − right as a share of the larger of both norms; <see langword="null"/> when both have NaN at one place.</summary>
    public required double? RelativeNorm { get; init; }
    /// <summary>The cosine of the angle between both, from −1 to 1; <see langword="null"/> when one of them is all zeros or out of the range of doubles, or when they differ infinitely, or both have NaN at one place.</summary>
    public double? Cosine { get; init; }

    internal static TensorComparison Same(StateTensor tensor) => new()
    {
        Identical = true,
        Values = ElementDecoder.ValueCount(tensor.Type, tensor.ByteLength),
        Different = 0,
        OneNaN = 0,
        BothNaN = 0,
        MaxAbsolute = 0,
        MaxRelative = 0,
        RelativeNorm = 0,
        Cosine = 1,
    };

    internal static TensorComparison From(ComparisonAccumulator all, Products products)
    {
        double norms = Math.Sqrt(products.Left) * Math.Sqrt(products.Right);
        bool infinitely = double.IsInfinity(all.MaxAbsolute);
        double larger = Math.Sqrt(Math.Max(products.Left, products.Right));
        return new TensorComparison
        {
            Identical = false,
            Values = all.Values,
            Different = all.Different,
            OneNaN = all.OneNaN,
            BothNaN = all.BothNaN,
            MaxAbsolute = all.MaxAbsolute,
            MaxRelative = all.MaxRelative,
            RelativeNorm = infinitely ? double.PositiveInfinity : all.BothNaN > 0 ? null : products.Difference == 0 ? 0 : Math.Sqrt(products.Difference) / larger,
            Cosine = !infinitely && all.BothNaN == 0 && norms > 0 && double.IsFinite(norms) ? all.Different == 0 ? 1 : Math.Clamp(products.Both / norms, -1, 1) : null,
        };
    }
}

/// <summary>Sums of products over values.</summary>
/// <param name="Both">Of left and right.</param>
/// <param name="Left">Of left with itself.</param>
/// <param name="Right">Of right with itself.</param>
/// <param name="Difference">Of left − right with itself.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Products(double Both, double Left, double Right, double Difference)
{
    public static Products operator +(Products a, Products b) => new(a.Both + b.Both, a.Left + b.Left, a.Right + b.Right, a.Difference + b.Difference);
}
