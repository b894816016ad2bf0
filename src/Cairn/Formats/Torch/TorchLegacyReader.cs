using System.Numerics;
using Cairn.Formats.Torch.Pickle;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Torch;

/// <summary>
/// The format of before PyTorch 1.6: pickles of a magic number, a protocol, the system's sizes, the values and the keys of the storages, then each
/// storage as 8 bytes of count and its elements. Source: <c>_legacy_save</c> in <c>torch/serialization.py</c>.
/// </summary>
internal sealed class TorchLegacyReader(IReadableFile file, string path, TorchReadOptions options, PickleSource source)
{
    private const long Protocol = 1001;
    private static readonly TorchScalar Magic = new(BigInteger.Parse("1950a86a20f9469cfc6c", System.Globalization.NumberStyles.AllowHexSpecifier));

    private readonly TensorTable _tensors = new(file.Length);
    private readonly StorageResolver _storages = new((context, key, type, count) => Open(file, path, context, key, type, count));

    public static TorchContents Read(IReadableFile file, string path, TorchReadOptions options, bool isNested)
    {
        using var source = new PickleSource(file, path, 0, file.Length);
        return new TorchLegacyReader(file, path, options, source).Read(isNested);
    }

    private TorchContents Read(bool isNested)
    {
        CheckHead();
        PickleMachine machine = Machine(isNested, withStorages: true);
        TorchValue root = machine.Run();
        TorchValue keys = Machine(isNested, withStorages: false).Run();
        if (keys is not TorchList { Kind: TorchListKind.List } list)
            throw Bad(TorchFault.Value, "the list of the storages is malformed", "a list of keys", PickleContext.Describe(keys));
        Place(list, source.Position);
        return new TorchContents { Root = root, BareStorage = machine.BareStorage, Storages = _storages.Storages };
    }

    private void CheckHead()
    {
        TorchValue magic;
        try
        {
            magic = Machine(isNested: true, withStorages: false).Run();
        }
        catch (CorruptTorchFileException e)
        {
            throw new CorruptTorchFileException(TorchFault.NotTorch, path, "it is neither a zip archive nor a file of PyTorch's older format", "the magic number of PyTorch", "other bytes", cause: e);
        }
        if (!Magic.Equals(magic as TorchScalar))
            throw Bad(TorchFault.NotTorch, "it is a pickle, but not of PyTorch", "the magic number of PyTorch", PickleContext.Describe(magic));
        TorchValue protocol = Machine(isNested: true, withStorages: false).Run();
        if (protocol is not TorchScalar { Value: Protocol })
            throw Bad(TorchFault.Version, "the version of the older format is not known", $"{Protocol}", PickleContext.Describe(protocol));
        TorchValue system = Machine(isNested: true, withStorages: false).Run();
        if (system is TorchMap sizes && sizes.Find("little_endian") is TorchScalar { Value: false })
            throw new CorruptTorchFileException(TorchFault.BigEndian, path, "it was saved on a big-endian machine, whose files are not read", "little_endian=True", "False", "Load it with PyTorch on a little-endian machine and save it again.");
    }

    private PickleMachine Machine(bool isNested, bool withStorages)
    {
        PickleContext context = null!;
        context = new PickleContext(source, options, _tensors) { IsNested = isNested, PersistentLoad = withStorages ? id => _storages.Load(context, id) : null };
        return new PickleMachine(source, context);
    }

    private static StorageTensor Open(IReadableFile file, string path, PickleContext context, string key, TensorType type, long count) =>
        count <= file.Length / (type.BitsPerElement() / 8) ? new StorageTensor(file, path, key, type, count)
            : throw context.Bad(TorchFault.StorageSize, $"storage '{CorruptTorchFileException.Shorten(key)}' is larger than the file", $"at most {file.Length} bytes", $"{count} elements of {type}");

    /// <summary>Finds where each storage begins. Its count must be the one in the pickle, and nothing may be left.</summary>
    private void Place(TorchList keys, long position)
    {
        var reader = new FileReader(file, path);
        Span<byte> prefix = stackalloc byte[8];
        var placed = new HashSet<string>(StringComparer.Ordinal);
        foreach (TorchValue value in keys)
        {
            string key = value switch
            {
                TorchScalar { Value: string text } => text,
                TorchScalar { Value: long number } => number.ToString(System.Globalization.CultureInfo.InvariantCulture),
                _ => throw Bad(TorchFault.Value, "the list of the storages is malformed", "keys", PickleContext.Describe(value)),
            };
            if (!_storages.Storages.TryGetValue(key, out TorchStorage? storage) || !placed.Add(key))
                throw Bad(TorchFault.StorageReference, $"the list of the storages names '{CorruptTorchFileException.Shorten(key)}'", "each storage of the pickle once", "one that it has not, or twice");
            var bytes = (StorageTensor)storage.Bytes;
            if (position > file.Length - prefix.Length)
                throw Bad(TorchFault.Truncated, $"the file ends before storage '{CorruptTorchFileException.Shorten(key)}'", "its count", $"the end at {file.Length}");
            reader.Read(position, prefix);
            long count = System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(prefix);
            position += prefix.Length;
            if (count != bytes.Shape[0])
                throw Bad(TorchFault.StorageSize, $"the count of storage '{CorruptTorchFileException.Shorten(key)}' contradicts the pickle", $"{bytes.Shape[0]}", $"{count}");
            if (bytes.ByteLength > file.Length - position)
                throw Bad(TorchFault.Truncated, $"the file ends within storage '{CorruptTorchFileException.Shorten(key)}'", $"{bytes.ByteLength} bytes at {position}", $"{file.Length - position} bytes");
            bytes.Start = position;
            position += bytes.ByteLength;
        }
        if (placed.Count != _storages.Storages.Count)
            throw Bad(TorchFault.StorageReference, "the list of the storages is not complete", $"{_storages.Storages.Count} keys", $"{placed.Count}");
        if (position != file.Length)
            throw Bad(TorchFault.StrayBytes, "bytes after the last storage belong to nothing", $"the end at {position}", $"{file.Length - position} bytes more");
    }

    private CorruptTorchFileException Bad(TorchFault fault, string what, string expected, string found) => new(fault, path, what, expected, found);
}
