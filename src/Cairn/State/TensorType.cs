namespace Cairn.State;

/// <summary>The element type of a tensor: all the types of the safetensors format, and the two complex types that only PyTorch has.</summary>
public enum TensorType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,
    /// <summary>4-bit float, two to a byte.</summary>
    F4,
    /// <summary>6-bit float, 2 exponent and 3 mantissa bits.</summary>
    F6E2M3,
    /// <summary>6-bit float, 3 exponent and 2 mantissa bits.</summary>
    F6E3M2,
    /// <summary>Unsigned 8-bit integer.</summary>
    U8,
    /// <summary>Signed 8-bit integer.</summary>
    I8,
    /// <summary>8-bit float, 5 exponent and 2 mantissa bits.</summary>
    F8E5M2,
    /// <summary>8-bit float, 4 exponent and 3 mantissa bits, no infinity.</summary>
    F8E4M3,
    /// <summary>8-bit power of two, no sign and no mantissa.</summary>
    F8E8M0,
    /// <summary>8-bit float, 4 exponent and 3 mantissa bits, no negative zero.</summary>
    F8E4M3Fnuz,
    /// <summary>8-bit float, 5 exponent and 2 mantissa bits, no negative zero.</summary>
    F8E5M2Fnuz,
    /// <summary>Signed 16-bit integer.</summary>
    I16,
    /// <summary>Unsigned 16-bit integer.</summary>
    U16,
    /// <summary>IEEE 754 half precision.</summary>
    F16,
    /// <summary>Brain float: the upper half of a single.</summary>
    BF16,
    /// <summary>Signed 32-bit integer.</summary>
    I32,
    /// <summary>Unsigned 32-bit integer.</summary>
    U32,
    /// <summary>IEEE 754 single precision.</summary>
    F32,
    /// <summary>Two singles: real and imaginary part.</summary>
    C64,
    /// <summary>IEEE 754 double precision.</summary>
    F64,
    /// <summary>Signed 64-bit integer.</summary>
    I64,
    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
    /// <summary>Two half-precision floats: real and imaginary part. Not in safetensors.</summary>
    C32,
    /// <summary>Two doubles: real and imaginary part. Not in safetensors.</summary>
    C128,
}

/// <summary>Facts about element types.</summary>
public static class TensorTypes
{
    /// <summary>Bits that one element takes.</summary>
    public static int BitsPerElement(this TensorType type) => type switch
    {
        TensorType.F4 => 4,
        TensorType.F6E2M3 or TensorType.F6E3M2 => 6,
        TensorType.Bool or TensorType.U8 or TensorType.I8 or TensorType.F8E5M2 or TensorType.F8E4M3
            or TensorType.F8E8M0 or TensorType.F8E4M3Fnuz or TensorType.F8E5M2Fnuz => 8,
        TensorType.I16 or TensorType.U16 or TensorType.F16 or TensorType.BF16 => 16,
        TensorType.I32 or TensorType.U32 or TensorType.F32 or TensorType.C32 => 32,
        TensorType.C64 or TensorType.F64 or TensorType.I64 or TensorType.U64 => 64,
        TensorType.C128 => 128,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an element type."),
    };

    /// <summary>Bytes of a dense tensor of this type and shape.</summary>
    /// <exception cref="ArgumentException">A size is negative, or a sub-byte tensor does not fill whole bytes.</exception>
    /// <exception cref="OverflowException">The size does not fit 64 bits.</exception>
    public static long ByteLength(this TensorType type, ReadOnlySpan<long> shape)
    {
        long elements = 1;
        foreach (long size in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            elements = checked(elements * size);
        }
        long bits = checked(elements * type.BitsPerElement());
        return bits % 8 == 0 ? bits / 8 : throw new ArgumentException($"A {type} tensor of {elements} elements does not fill whole bytes.", nameof(shape));
    }
}
