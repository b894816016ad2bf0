using System.Globalization;
using System.Numerics;

namespace Cairn.Formats.Torch;

/// <summary>The texts under which the keys of one dict stand in a state, whose keys are texts.</summary>
internal sealed class KeyNames
{
    private readonly Dictionary<string, int> _given = new(StringComparer.Ordinal);

    /// <summary>A key that is text or a whole number; <see langword="null"/> for any other.</summary>
    public static string? Plain(TorchValue key) => (key as TorchScalar)?.Value switch
    {
        string text => text,
        long number => number.ToString(CultureInfo.InvariantCulture),
        BigInteger number => number.ToString(CultureInfo.InvariantCulture),
        _ => null,
    };

    /// <summary>A key as a reader of Python knows it, shortened.</summary>
    public static string Described(TorchValue key) => CorruptTorchFileException.Shorten(key.ToString()!);

    /// <summary>A text for a key that has none of its own: its kind and what it is, with a number behind it where that is taken.</summary>
    public string Unique(TorchValue key, Func<string, bool> isTaken)
    {
        string name = $"{Kind(key)} {Described(key)}".Trim(), unique = name;
        _given.TryGetValue(name, out int count);
        while (isTaken(unique))
            unique = $"{name} ({++count + 1})";
        _given[name] = count;
        return unique;
    }

    private static string Kind(TorchValue key) => key switch
    {
        TorchScalar { Value: null } => "",
        TorchScalar { Value: bool } => "bool",
        TorchScalar { Value: long or BigInteger } => "int",
        TorchScalar { Value: double } => "float",
        TorchScalar { Value: Complex } => "complex",
        TorchScalar { Value: byte[] } => "bytes",
        TorchList list => list.Kind.ToString().ToLowerInvariant(),
        TorchGlobal => "class",
        TorchTensorValue => "tensor",
        _ => "object",
    };
}
