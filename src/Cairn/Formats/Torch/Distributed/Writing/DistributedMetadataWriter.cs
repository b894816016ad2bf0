using Cairn.Formats.Torch.Pickle;

namespace Cairn.Formats.Torch.Distributed.Writing;

/// <summary>
/// Writes the pickle <c>.metadata</c>: <c>Metadata(state_dict_metadata, planner_data, storage_data)</c>, whose objects are those of <c>torch/distributed/checkpoint/metadata.py</c> and <c>filesystem.py</c>.
/// Of each class only the fields are given that PyTorch has had since 2.0; newer ones have their defaults. The properties of a tensor are made by a call with its dtype, because the enum in their own
/// pickled form has changed its name.
/// </summary>
internal sealed class DistributedMetadataWriter
{
    private const string MetadataModule = "torch.distributed.checkpoint.metadata", FilesModule = "torch.distributed.checkpoint.filesystem";
    // As in pickle: it bounds the unpickler's stack.
    private const int BatchSize = 1000;

    private readonly PickleOutput _out = new();

    private DistributedMetadataWriter() { }

    /// <summary>The bytes.</summary>
    /// <param name="items">What the checkpoint holds, in the order in which it is listed.</param>
    public static ReadOnlyMemory<byte> Write(IReadOnlyList<DistributedItem> items)
    {
        var writer = new DistributedMetadataWriter();
        writer._out.Start();
        writer.New(MetadataModule, "Metadata", () =>
        {
            writer.Field("state_dict_metadata", () => writer.Entries(items, item => writer._out.Text(item.Name), writer.Described));
            writer.Field("planner_data", () => writer.Entries(items, item => writer._out.Text(item.Name), item => writer.Path(item.Path)));
            writer.Field("storage_data", () => writer.Entries([.. items.SelectMany(Stored)], writer.Index, stored => writer.Place(stored.Place)));
        });
        writer._out.Op(PickleOpcode.Stop);
        return writer._out.Bytes;
    }

    private static IEnumerable<(string Name, IReadOnlyList<long>? Offsets, int Number, DistributedPlace Place)> Stored(DistributedItem item) => item is DistributedTensor tensor
        ? tensor.Chunks.Select((chunk, i) => (item.Name, (IReadOnlyList<long>?)chunk.Offsets, i, chunk.Place))
        : [(item.Name, null, 0, ((DistributedValue)item).Place)];

    private void Described(DistributedItem item)
    {
        if (item is not DistributedTensor tensor)
        {
            Empty(MetadataModule, "BytesStorageMetadata");
            return;
        }
        New(MetadataModule, "TensorStorageMetadata", () =>
        {
            Field("properties", () =>
            {
                _out.Global(MetadataModule, "TensorProperties");
                _out.Global("torch", TorchDtypes.NameOf(tensor.Type)!);
                Call();
            });
            Field("size", () => Size(tensor.Shape));
            Field("chunks", () => List(tensor.Chunks, chunk => New(MetadataModule, "ChunkStorageMetadata", () =>
            {
                Field("offsets", () => Size(chunk.Offsets));
                Field("sizes", () => Size(chunk.Sizes));
            })));
        });
    }

    private void Index((string Name, IReadOnlyList<long>? Offsets, int Number, DistributedPlace Place) stored) => New(MetadataModule, "MetadataIndex", () =>
    {
        Field("fqn", () => _out.Text(stored.Name));
        if (stored.Offsets is { } offsets)
            Field("offset", () => Size(offsets));
        Field("index", () =>
        {
            if (stored.Offsets is null)
                _out.Op(PickleOpcode.None);
            else
                _out.Int(stored.Number);
        });
    });

    private void Place(DistributedPlace place) => New(FilesModule, "_StorageInfo", () =>
    {
        Field("relative_path", () => _out.Text(place.File));
        Field("offset", () => _out.Int(place.Offset));
        Field("length", () => _out.Int(place.Length));
    });

    private void Path(IReadOnlyList<object> path)
    {
        _out.Op(PickleOpcode.Mark);
        foreach (object key in path)
        {
            if (key is string text)
                _out.Text(text);
            else
                _out.Int((long)key);
        }
        _out.Op(PickleOpcode.Tuple);
    }

    private void Size(IReadOnlyList<long> sizes)
    {
        _out.Global("torch", "Size");
        _out.Op(PickleOpcode.Mark);
        foreach (long size in sizes)
            _out.Int(size);
        _out.Op(PickleOpcode.Tuple);
        Call();
    }

    // One argument stands on the stack.
    private void Call()
    {
        _out.Op(PickleOpcode.Tuple1);
        _out.Op(PickleOpcode.Reduce);
    }

    private void Empty(string module, string type)
    {
        _out.Global(module, type);
        _out.Op(PickleOpcode.EmptyTuple);
        _out.Op(PickleOpcode.NewObj);
    }

    private void New(string module, string type, Action fields)
    {
        Empty(module, type);
        _out.Op(PickleOpcode.EmptyDict);
        _out.Op(PickleOpcode.Mark);
        fields();
        _out.Op(PickleOpcode.SetItems);
        _out.Op(PickleOpcode.Build);
    }

    private void Field(string name, Action value)
    {
        _out.Text(name);
        value();
    }

    private void Entries<T>(IReadOnlyList<T> items, Action<T> key, Action<T> value)
    {
        _out.Op(PickleOpcode.EmptyDict);
        foreach (T[] batch in items.Chunk(BatchSize))
        {
            _out.Op(PickleOpcode.Mark);
            foreach (T item in batch)
            {
                key(item);
                value(item);
            }
            _out.Op(PickleOpcode.SetItems);
        }
    }

    private void List<T>(IReadOnlyList<T> items, Action<T> value)
    {
        _out.Op(PickleOpcode.EmptyList);
        foreach (T[] batch in items.Chunk(BatchSize))
        {
            _out.Op(PickleOpcode.Mark);
            foreach (T item in batch)
                value(item);
            _out.Op(PickleOpcode.Appends);
        }
    }
}
