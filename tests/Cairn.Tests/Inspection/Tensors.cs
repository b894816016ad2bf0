using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Tests.Inspection;

/// <summary>Tensors of given elements.</summary>
internal static class Tensors
{
    public static MemoryTensor Of<T>(TensorType type, params T[] elements) where T : unmanaged
    {
        byte[] bytes = MemoryMarshal.AsBytes(elements.AsSpan()).ToArray();
        return new MemoryTensor(type, [bytes.Length * 8L / type.BitsPerElement()], bytes);
    }

    public static MemoryTensor Singles(params float[] elements) => Of(TensorType.F32, elements);

    public static MemoryTensor Doubles(params double[] elements) => Of(TensorType.F64, elements);

    /// <summary>The same elements, which no span gives: they are read as from a file.</summary>
    public static StateTensor Streamed(StateTensor tensor) => new StreamedTensor(tensor);

    private sealed class StreamedTensor(StateTensor tensor) : StateTensor(tensor.Type, [.. tensor.Shape])
    {
        public override void CopyTo(long offset, Span<byte> destination) => tensor.CopyTo(offset, destination);
    }
}
