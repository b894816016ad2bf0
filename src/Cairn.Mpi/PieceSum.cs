using System.Numerics;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn.Mpi;

/// <summary>Adds what ranks hold, in the order of ranks.</summary>
internal static unsafe class PieceSum
{
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
            case TensorType.F16: AddHalves(parts, result, elements, reduction, static bits => (float)BitConverter.UInt16BitsToHalf(bits), static value => BitConverter.HalfToUInt16Bits((Half)value)); break;
            case TensorType.BF16: AddHalves(parts, result, elements, reduction, Widen, Narrow); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "Only F32, F64, F16 and BF16 can be added.");
        }
    }

    private static void Add<T>(ReadOnlySpan<nint> parts, nint result, int elements, Reduction reduction) where T : unmanaged, IFloatingPoint<T>
    {
        T divisor = T.CreateChecked(parts.Length);
        int i = 0;
        for (; i <= elements - Vector<T>.Count; i += Vector<T>.Count)
        {
            Vector<T> sum = Load(parts[0]);
            for (int part = 1; part < parts.Length; part++)
                sum += Load(parts[part]);
            if (reduction == Reduction.Average)
                sum /= new Vector<T>(divisor);
            sum.CopyTo(new Span<T>((T*)result + i, Vector<T>.Count));
        }
        for (; i < elements; i++)
        {
            T sum = ((T*)parts[0])[i];
            for (int part = 1; part < parts.Length; part++)
                sum += ((T*)parts[part])[i];
            ((T*)result)[i] = reduction == Reduction.Average ? sum / divisor : sum;
        }

        Vector<T> Load(nint address) => new(new ReadOnlySpan<T>((T*)address + i, Vector<T>.Count));
    }

    private static void AddHalves(ReadOnlySpan<nint> parts, nint result, int elements, Reduction reduction, Func<ushort, float> widen, Func<float, ushort> narrow)
    {
        for (int i = 0; i < elements; i++)
        {
            float sum = widen(((ushort*)parts[0])[i]);
            for (int part = 1; part < parts.Length; part++)
                sum += widen(((ushort*)parts[part])[i]);
            ((ushort*)result)[i] = narrow(reduction == Reduction.Average ? sum / parts.Length : sum);
        }
    }

    private static float Widen(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    // To nearest, ties to even; NaN stays NaN (its payload could be rounded away to infinity).
    private static ushort Narrow(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
