using System.Buffers.Binary;
using System.Numerics;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// The words of a random generator's state as a list of numbers. PyTorch has tensors of unsigned 16 to 64 bits since 2.1, and an older one cannot load a file in which one stands; an array would
/// name modules of one version of numpy. numpy's <c>set_state</c> takes a list.
/// </summary>
internal static class UnsignedNumbers
{
    private const long Most = 1 << 16;

    /// <summary>The numbers; <see langword="null"/> for a tensor of another type, of several dimensions or of many elements.</summary>
    public static TorchList? ListOf(StateTensor tensor)
    {
        if (tensor is not { Type: TensorType.U16 or TensorType.U32 or TensorType.U64, Shape: [<= Most and var count] })
            return null;
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        var numbers = new TorchValue[count];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = tensor.Type switch
            {
                TensorType.U16 => (long)BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(i * sizeof(ushort))),
                TensorType.U32 => (long)BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint))),
                _ => new TorchScalar((BigInteger)BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)))),
            };
        }
        return new TorchList(TorchListKind.List, numbers);
    }

    /// <summary>Puts lists in the place of all such tensors of values that belong to the caller. Says how many.</summary>
    public static int Replace(TorchValue root)
    {
        int replaced = 0;
        var seen = new HashSet<TorchValue>(ReferenceEqualityComparer.Instance);
        var open = new Stack<TorchValue>([root]);
        while (open.TryPop(out TorchValue? value))
        {
            if (value is not (TorchMap or TorchList) || !seen.Add(value))
                continue;
            for (int i = 0; i < value.ChildCount; i++)
            {
                TorchValue child = value.ChildAt(i);
                if (child is TorchTensorValue tensor && ListOf(tensor.Data) is { } list && value.TryReplace(i, list))
                    replaced++;
                else
                    open.Push(child);
            }
        }
        return replaced;
    }
}
