using Cairn.Formats.Torch.Pickle;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>The storages of a file by key, made when the pickle first refers to them.</summary>
/// <param name="open">Gives the bytes of a storage: key, element type, elements.</param>
internal sealed class StorageResolver(Func<PickleContext, string, TensorType, long, StateTensor> open)
{
    public OrderedDictionary<string, TorchStorage> Storages { get; } = new(StringComparer.Ordinal);

    /// <summary>
    /// What a persistent id stands for: <c>('storage', class, key, location, elements)</c>, and in the older format a view
    /// <c>(key, offset, elements)</c> or None behind it.
    /// </summary>
    public TorchValue Load(PickleContext context, TorchValue id)
    {
        if (id is not TorchList { Kind: TorchListKind.Tuple, Count: 4 or 5 or 6 } fields)
            throw Malformed(context, id);
        string kind = context.Text(fields[0], "the kind of a persistent id is malformed");
        // How PyTorch before 0.4 saved the class of a module, with its source. Known classes of data are not saved so.
        if (kind == "module" && fields[1] is TorchGlobal module)
            return context.Options.AllowOpaque ? module : throw context.Forbidden(module.ToString());
        if (kind != "storage" || fields.Count == 4)
            throw Malformed(context, fields[0]);
        if (fields[1] is not TorchGlobal type || !StorageClasses.IsStorage(type))
            throw context.Wrong("the class of a storage is malformed", "a class of storages", fields[1]);
        if (StorageClasses.IsQuantized(type) && (!context.Options.AllowOpaque || StorageClasses.IntegersOf(type) is null))
            throw TensorRebuild.Quantized(context, type);
        string key = Key(context, fields[2]);
        string location = context.Text(fields[3], "the location of a storage is malformed");
        long count = context.Integer(fields[4], "the size of a storage is malformed");
        TensorType? typed = StorageClasses.IsUntyped(type) ? null : StorageClasses.Type(type) ?? StorageClasses.IntegersOf(type);
        long elementSize = (typed ?? TensorType.U8).BitsPerElement() / 8;
        if (count < 0 || count > long.MaxValue / (8 * elementSize))
            throw context.Bad(TorchFault.StorageReference, $"the size of storage '{CorruptTorchFileException.Shorten(key)}' is malformed", "elements that fit 63 bits", $"{count}");
        if (!Storages.TryGetValue(key, out TorchStorage? storage))
            Storages.Add(key, storage = new TorchStorage(open(context, key, typed ?? TensorType.U8, count), location));
        else if (storage.Bytes.ByteLength != count * elementSize)
            throw context.Bad(TorchFault.StorageReference, $"two references to storage '{CorruptTorchFileException.Shorten(key)}' contradict each other", $"{storage.Bytes.ByteLength} bytes", $"{count * elementSize} bytes");
        (long offset, long shown) = fields.Count == 6 ? View(context, fields[5], count) : (0, count);
        return new StorageReference(storage, storage.Bytes, typed, offset * elementSize, shown);
    }

    private static string Key(PickleContext context, TorchValue value) => value switch
    {
        // Files of PyTorch 0.1 have numbers.
        TorchScalar { Value: long number } => number.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => context.Text(value, "the key of a storage is malformed"),
    };

    private static (long Offset, long Count) View(PickleContext context, TorchValue value, long count)
    {
        if (value is TorchScalar { Value: null })
            return (0, count);
        if (value is not TorchList { Kind: TorchListKind.Tuple, Count: 3 } view)
            throw context.Wrong("the view of a storage is malformed", "a key, an offset and a size", value);
        long offset = context.Integer(view[1], "the offset of a view is malformed"), shown = context.Integer(view[2], "the size of a view is malformed");
        return offset >= 0 && shown >= 0 && offset <= count - shown ? (offset, shown)
            : throw context.Bad(TorchFault.StorageReference, "the view of a storage reaches outside it", $"elements 0 to {count - 1}", $"{shown} from {offset}");
    }

    private static CorruptTorchFileException Malformed(PickleContext context, TorchValue id) =>
        context.Bad(TorchFault.StorageReference, "a persistent id is malformed", "('storage', class, key, location, size)", PickleContext.Describe(id));
}
