using System.Buffers.Binary;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// Values of InternLM's configuration and samplers without the classes that only InternLM has: its <c>Config</c> is a dict, an enum or any other object is shown by
/// its class and what it was made of.
/// </summary>
internal static class PlainValues
{
    private const int MostLevels = 64, MostNumbers = 1 << 16;

    /// <summary>The values, or texts in place of what is none.</summary>
    public static TorchValue Of(TorchValue value) => Of(value, MostLevels);

    private static TorchValue Of(TorchValue value, int levels)
    {
        if (levels == 0)
            return "…";
        switch (value)
        {
            case TorchMap map:
                return Map(map, levels);
            case TorchList list:
                return new TorchList(list.Kind, list.Select(item => Of(item, levels - 1)));
            case TorchObject { Entries: { } entries }:
                return Map(entries, levels);
            case TorchObject { Items: { } items }:
                return Of(items, levels);
            case TorchObject { Type: { Module: "torch", Name: "device" } }:
                return value;
            case TorchObject made:
                return made.Arguments is [TorchScalar { Value: string text }] ? $"{made.Type}({text})" : made.Type.ToString();
            case TorchGlobal global:
                return global.ToString();
            case TorchTensorValue { Data: { Type: TensorType.U16 or TensorType.U32, Shape: [<= MostNumbers] } numbers }:
                return Numbers(numbers);
            default:
                return value;
        }
    }

    // The words of numpy's random state. Most versions of PyTorch have no tensor of their type, and numpy takes a list.
    private static TorchList Numbers(StateTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        var list = new TorchList(TorchListKind.List);
        for (int at = 0, size = tensor.Type == TensorType.U32 ? 4 : 2; at < bytes.Length; at += size)
            list.Add(size == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)) : (long)BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at)));
        return list;
    }

    private static TorchMap Map(TorchMap map, int levels)
    {
        TorchMap plain = new();
        foreach ((TorchValue key, TorchValue item) in map)
            plain[key is TorchScalar { Value: string or long } ? key : key.ToString()] = Of(item, levels - 1);
        return plain;
    }
}
