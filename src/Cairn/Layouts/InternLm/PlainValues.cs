using Cairn.Formats.Torch;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// Values of InternLM's configuration and samplers without the classes that only InternLM has: its <c>Config</c> is a dict, an enum or any other object is shown by
/// its class and what it was made of.
/// </summary>
internal static class PlainValues
{
    private const int MostLevels = 64;

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
            case TorchTensorValue tensor:
                return UnsignedNumbers.ListOf(tensor.Data) ?? value;
            default:
                return value;
        }
    }

    private static TorchMap Map(TorchMap map, int levels)
    {
        TorchMap plain = new();
        foreach ((TorchValue key, TorchValue item) in map)
            plain[key is TorchScalar { Value: string or long } ? key : key.ToString()] = Of(item, levels - 1);
        return plain;
    }
}
