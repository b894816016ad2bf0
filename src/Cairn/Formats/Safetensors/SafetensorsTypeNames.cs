using Cairn.State;

namespace Cairn.Formats.Safetensors;

/// <summary>The names of element types in the header: <c>Dtype</c> of the reference implementation's <c>tensor.rs</c>.</summary>
internal static class SafetensorsTypeNames
{
    /// <exception cref="ArgumentException">The format has no such type.</exception>
    public static string Name(TensorType type, string tensor) => type switch
    {
        TensorType.Bool => "BOOL",
        TensorType.F4 => "F4",
        TensorType.F6E2M3 => "F6_E2M3",
        TensorType.F6E3M2 => "F6_E3M2",
        TensorType.U8 => "U8",
        TensorType.I8 => "I8",
        TensorType.F8E5M2 => "F8_E5M2",
        TensorType.F8E4M3 => "F8_E4M3",
        TensorType.F8E8M0 => "F8_E8M0",
        TensorType.F8E4M3Fnuz => "F8_E4M3FNUZ",
        TensorType.F8E5M2Fnuz => "F8_E5M2FNUZ",
        TensorType.I16 => "I16",
        TensorType.U16 => "U16",
        TensorType.F16 => "F16",
        TensorType.BF16 => "BF16",
        TensorType.I32 => "I32",
        TensorType.U32 => "U32",
        TensorType.F32 => "F32",
        TensorType.C64 => "C64",
        TensorType.F64 => "F64",
        TensorType.I64 => "I64",
        TensorType.U64 => "U64",
        TensorType.C32 or TensorType.C128 => throw new ArgumentException(
            $"safetensors has no complex type but C64, so tensor '{tensor}' of type {type} cannot be saved in it. Save its real and imaginary parts as {(type == TensorType.C32 ? "F16" : "F64")} (torch.view_as_real), or convert it to C64.", nameof(tensor)),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an element type."),
    };

    public static TensorType? Parse(string name) => name switch
    {
        "BOOL" => TensorType.Bool,
        "F4" => TensorType.F4,
        "F6_E2M3" => TensorType.F6E2M3,
        "F6_E3M2" => TensorType.F6E3M2,
        "U8" => TensorType.U8,
        "I8" => TensorType.I8,
        "F8_E5M2" => TensorType.F8E5M2,
        "F8_E4M3" => TensorType.F8E4M3,
        "F8_E8M0" => TensorType.F8E8M0,
        "F8_E4M3FNUZ" => TensorType.F8E4M3Fnuz,
        "F8_E5M2FNUZ" => TensorType.F8E5M2Fnuz,
        "I16" => TensorType.I16,
        "U16" => TensorType.U16,
        "F16" => TensorType.F16,
        "BF16" => TensorType.BF16,
        "I32" => TensorType.I32,
        "U32" => TensorType.U32,
        "F32" => TensorType.F32,
        "C64" => TensorType.C64,
        "F64" => TensorType.F64,
        "I64" => TensorType.I64,
        "U64" => TensorType.U64,
        _ => null,
    };
}
