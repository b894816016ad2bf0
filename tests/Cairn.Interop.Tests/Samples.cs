using Cairn.State;

namespace Cairn.Interop.Tests;

/// <summary>Tensors for tests.</summary>
internal static class Samples
{
    public static MemoryTensor Tensor(TensorType type, params long[] shape)
    {
        byte[] bytes = new byte[type.ByteLength(shape)];
        new Random(17 + (int)type).NextBytes(bytes);
        for (int i = 0; type == TensorType.Bool && i < bytes.Length; i++)
            bytes[i] &= 1;
        return new MemoryTensor(type, shape, bytes);
    }

    public static byte[] Bytes(StateTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        return bytes;
    }

    /// <summary>The elements that a view shows.</summary>
    public static MemoryTensor Gather(StateTensor storage, long offset, long[] shape, long[] strides)
    {
        int size = storage.Type.BitsPerElement() / 8;
        byte[] all = Bytes(storage), bytes = new byte[storage.Type.ByteLength(shape)];
        for (int i = 0; i < bytes.Length / size; i++)
        {
            long rest = i, element = offset;
            for (int dimension = shape.Length - 1; dimension >= 0; dimension--)
            {
                element += rest % shape[dimension] * strides[dimension];
                rest /= shape[dimension];
            }
            all.AsSpan((int)element * size, size).CopyTo(bytes.AsSpan(i * size));
        }
        return new MemoryTensor(storage.Type, shape, bytes);
    }
}
