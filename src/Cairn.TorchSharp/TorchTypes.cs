using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>The element types that TorchSharp and checkpoints share.</summary>
public static class TorchTypes
{
    /// <summary>The checkpoint's type for a TorchSharp dtype.</summary>
    /// <exception cref="CheckpointException">Checkpoints have no such type: quantized types and complex128.</exception>
    public static TensorType ToTensorType(this torch.ScalarType dtype) => dtype switch
    {
        torch.ScalarType.Bool => TensorType.Bool,
        torch.ScalarType.Byte => TensorType.U8,
        torch.ScalarType.Int8 => TensorType.I8,
        torch.ScalarType.Int16 => TensorType.I16,
        torch.ScalarType.Int32 => TensorType.I32,
        torch.ScalarType.Int64 => TensorType.I64,
        torch.ScalarType.Float16 => TensorType.F16,
        torch.ScalarType.BFloat16 => TensorType.BF16,
        torch.ScalarType.Float32 => TensorType.F32,
        torch.ScalarType.Float64 => TensorType.F64,
        torch.ScalarType.ComplexFloat32 => TensorType.C64,
        _ => throw new CheckpointException($"A checkpoint cannot hold tensors of dtype {dtype}. Convert the tensor to a supported dtype (for complex128: two float64 tensors, see torch.view_as_real).")
        {
            Found = dtype.ToString(),
        },
    };

    /// <summary>The TorchSharp dtype for a checkpoint's type.</summary>
    /// <exception cref="CheckpointException">TorchSharp has no such dtype: unsigned 16 to 64 bits, and floats of 4 to 8 bits.</exception>
    public static torch.ScalarType ToScalarType(this TensorType type) => type switch
    {
        TensorType.Bool => torch.ScalarType.Bool,
        TensorType.U8 => torch.ScalarType.Byte,
        TensorType.I8 => torch.ScalarType.Int8,
        TensorType.I16 => torch.ScalarType.Int16,
        TensorType.I32 => torch.ScalarType.Int32,
        TensorType.I64 => torch.ScalarType.Int64,
        TensorType.F16 => torch.ScalarType.Float16,
        TensorType.BF16 => torch.ScalarType.BFloat16,
        TensorType.F32 => torch.ScalarType.Float32,
        TensorType.F64 => torch.ScalarType.Float64,
        TensorType.C64 => torch.ScalarType.ComplexFloat32,
        _ => throw new CheckpointException($"TorchSharp has no dtype for {type}. Convert the tensor with the tool that wrote it, for example to BF16 or F32.")
        {
            Found = type.ToString(),
        },
    };
}
