using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn.Mpi;

/// <summary>Adds what ranks hold, in the order of ranks.</summary>
internal static unsafe class PieceSum
{
    private const int Block = 1024;

    private delegate void Widening(ReadOnlySpan<ushort> from, Span<float> to);

    private delegate void Narrowing(ReadOnlySpan<float> from, Span<ushort> to);

    /// <summary>Element types that can be added.</summary>
    public static bool Knows(TensorType type) => type is TensorType.F32 or TensorType.F64 or TensorType.F16 or TensorType.BF16;

    /// <summary>Puts the sum or mean of the parts into <paramref name="result"/>, which may be one of them.</summary>
    /// <param name="parts">One address for each rank.</param>
    /// <param name="result">Where the result goes.</param>
    /// <param name="elements">Elements of each.</param>
    /// <param name="type">Their type.</param>
    /// <param name="reduction">Sum or mean.</param>
    public static void Of(ReadOnlySpan<nint> parts, nint result, int elements, TensorType type, Reduction reduction)
    {
        switch (type)
        {
            case TensorType.F32: Add<float>(parts, result, elements, reduction); break;
            case TensorType.F64: Add<double>(parts, result, elements, reduction); break;
            case TensorType.F16: AddHalves(parts, result, elements, reduction, static (from, to) => TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<ushort, Half>(from), to), static (from, to) => TensorPrimitives.ConvertToHalf(from, MemoryMarshal.Cast<ushort, Half>(to))); break;
            case TensorType.BF16: AddHalves(parts, result, elements, reduction, Widen, Narrow); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "Only F32, F64, F16 and BF16 can be added.");
        }
    }

    private static void Add<T>(ReadOnlySpan<nint> parts, nint result, int elements, Reduction reduction) where T : unmanaged, IFloatingPoint<T>
    {
        // The result may be one of the parts: it is written when all of a block was read.
        Span<T> sum = stackalloc T[Block];
        for (int start = 0; start < elements; start += Block)
        {
            Span<T> sums = sum[..Math.Min(Block, elements - start)];
            Of<T>(parts[0], start, sums.Length).CopyTo(sums);
            for (int part = 1; part < parts.Length; part++)
                TensorPrimitives.Add(sums, Of<T>(parts[part], start, sums.Length), sums);
            if (reduction == Reduction.Average)
                TensorPrimitives.Divide(sums, T.CreateChecked(parts.Length), sums);
            sums.CopyTo(Of<T>(result, start, sums.Length));
        }
    }

    // In single precision, and rounded once at the end.
    private static void AddHalves(ReadOnlySpan<nint> parts, nint result, int elements, Reduction reduction, Widening widen, Narrowing narrow)
    {
        Span<float> sum = stackalloc float[Block], other = stackalloc float[Block];
        for (int start = 0; start < elements; start += Block)
        {
            int length = Math.Min(Block, elements - start);
            Span<float> sums = sum[..length], added = other[..length];
            widen(Of<ushort>(parts[0], start, length), sums);
            for (int part = 1; part < parts.Length; part++)
            {
                widen(Of<ushort>(parts[part], start, length), added);
                TensorPrimitives.Add(sums, added, sums);
            }
            if (reduction == Reduction.Average)
                TensorPrimitives.Divide(sums, parts.Length, sums);
            narrow(sums, Of<ushort>(result, start, length));
        }
    }

    private static Span<T> Of<T>(nint address, int start, int length) where T : unmanaged => new((T*)address + start, length);

    // .NET 10 has no type of BF16.
    private static void Widen(ReadOnlySpan<ushort> from, Span<float> to)
    {
        for (int i = 0; i < from.Length; i++)
            to[i] = BitConverter.UInt32BitsToSingle((uint)from[i] << 16);
    }

    // To nearest, ties to even; NaN stays NaN (its payload could be rounded away to infinity).
    private static void Narrow(ReadOnlySpan<float> from, Span<ushort> to)
    {
        for (int i = 0; i < from.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(from[i]);
            to[i] = float.IsNaN(from[i]) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }
}
