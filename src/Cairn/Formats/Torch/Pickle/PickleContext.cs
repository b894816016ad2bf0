using System.Globalization;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>What a pickle is read in: the file, the options, and the tensors made so far.</summary>
internal sealed class PickleContext(PickleSource source, TorchReadOptions options, TensorTable tensors)
{
    // A value of the memo may be an argument again and again.
    private const long ChargePerByte = 16;
    private const long FreeCharge = 1 << 20;

    private long _charged;

    public string Path => source.Path;
    public TorchReadOptions Options { get; } = options;
    public TensorTable Tensors { get; } = tensors;
    /// <summary>What gives the storage of a persistent id; <see langword="null"/> in a plain pickle, which has none.</summary>
    public Func<TorchValue, TorchValue>? PersistentLoad { get; init; }
    /// <summary>Whether this pickle is part of a value of another one; a third level is refused.</summary>
    public bool IsNested { get; init; }

    /// <summary>Accounts for bytes that are about to be copied from other values, which must stay within a multiple of what was read.</summary>
    public void Charge(long bytes)
    {
        _charged += bytes;
        if (_charged > FreeCharge + (ChargePerByte * (source.Position - source.Start)))
            throw Bad(TorchFault.TooLarge, "values are copied again and again into far more than the file holds", $"at most {ChargePerByte} bytes for each of the pickle's", "more");
    }

    public CorruptTorchFileException Bad(TorchFault fault, string what, string expected, string found) => new(fault, Path, what, expected, found);

    public CorruptTorchFileException Bad(TorchFault fault, string what, string expected, string found, string advice) => new(fault, Path, what, expected, found, advice);

    public CorruptTorchFileException Wrong(string what, string expected, TorchValue? found) => Bad(TorchFault.Value, what, expected, Describe(found));

    public ForbiddenPickleException Forbidden(string callable) => new(Path, callable);

    /// <summary>A value that goes into another one: what only the stack knows becomes data.</summary>
    public TorchValue Finish(TorchValue value) => value switch
    {
        StorageReference storage => storage.AsTensor(this),
        UnbuiltArray array => array.Built ?? throw Bad(TorchFault.Value, "an array of numpy is used before it is filled", "its contents", "none"),
        _ => value,
    };

    public TorchList Tuple(ReadOnlySpan<TorchValue> items, TorchListKind kind = TorchListKind.Tuple)
    {
        TorchValue[] finished = new TorchValue[items.Length];
        for (int i = 0; i < finished.Length; i++)
            finished[i] = Keep(items[i]);
        return new TorchList(kind, finished);
    }

    /// <summary>A value that goes into a tuple. Tuples are arguments too, so a storage stays what it is for now.</summary>
    private TorchValue Keep(TorchValue value) => value is StorageReference ? value : Finish(value);

    public long Integer(TorchValue value, string what) =>
        value is TorchScalar { Value: long number } ? number : throw Wrong(what, "a whole number of 64 bits", value);

    public bool Boolean(TorchValue value, string what) =>
        value is TorchScalar { Value: bool flag } ? flag : throw Wrong(what, "a bool", value);

    /// <summary>A text; the older format may have bytes for one.</summary>
    public string Text(TorchValue value, string what) => value switch
    {
        TorchScalar { Value: string text } => text,
        TorchScalar { Value: byte[] bytes } when System.Text.Ascii.IsValid(bytes) => System.Text.Encoding.ASCII.GetString(bytes),
        _ => throw Wrong(what, "a text", value),
    };

    public long[] Integers(TorchValue value, string what)
    {
        if (value is not TorchList { Kind: TorchListKind.Tuple or TorchListKind.List or TorchListKind.Size } list)
            throw Wrong(what, "a tuple of whole numbers", value);
        Charge(sizeof(long) * (long)list.Count);
        long[] numbers = new long[list.Count];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = Integer(list[i], what);
        return numbers;
    }

    public static string Describe(TorchValue? value) => value switch
    {
        null => "nothing",
        TorchScalar { Value: null } => "None",
        TorchScalar { Value: bool flag } => flag ? "True" : "False",
        TorchScalar { Value: long number } => number.ToString(CultureInfo.InvariantCulture),
        TorchScalar { Value: string text } => $"'{CorruptTorchFileException.Shorten(text)}'",
        TorchScalar { Value: byte[] bytes } => $"{bytes.Length} bytes",
        TorchScalar { Value: object other } => $"a {other.GetType().Name}",
        TorchList list => $"a {list.Kind} of {list.Count}",
        TorchMap map => $"a {map.Kind} of {map.Count}",
        TorchGlobal global => $"'{global}'",
        TorchObject instance => $"an object of '{instance.Type}'",
        TorchTensorValue => "a tensor",
        StorageReference => "a storage",
        UnbuiltArray => "an array",
        _ => "another value",
    };
}
