using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>
/// Reads what the pickle <c>.metadata</c> says. The classes are those of <c>torch/distributed/checkpoint/metadata.py</c> and <c>filesystem.py</c>:
/// <c>Metadata(state_dict_metadata, planner_data, storage_data)</c>, whose values are objects with their fields as a map.
/// </summary>
internal sealed class DistributedMetadataReader
{
    private readonly string _path;
    private readonly Dictionary<(string Name, string? Offset), DistributedPlace> _places = [];

    private DistributedMetadataReader(string path) => _path = path;

    /// <exception cref="CorruptDistributedCheckpointException">It does not say what it should.</exception>
    public static IReadOnlyList<DistributedItem> Read(TorchValue root, string path) => new DistributedMetadataReader(path).Items(root);

    private List<DistributedItem> Items(TorchValue root)
    {
        TorchMap metadata = Fields(root, "Metadata");
        foreach ((TorchValue key, TorchValue value) in Map(metadata, "storage_data"))
        {
            TorchMap index = Fields(key, "MetadataIndex");
            string name = Text(index, "fqn");
            string? offset = index.Find("offset") is null or TorchScalar { Value: null } ? null : Key(Numbers(index, "offset"));
            if (!_places.TryAdd((name, offset), Place(name, Fields(value, "_StorageInfo"))))
                throw Malformed(name, "it lies at two places", "one", $"two for the chunk at [{offset}]");
        }
        TorchMap? paths = metadata.Find("planner_data") as TorchMap;
        var items = new List<DistributedItem>();
        foreach ((TorchValue key, TorchValue value) in Map(metadata, "state_dict_metadata"))
        {
            string name = (key as TorchScalar)?.Value as string ?? throw Malformed(null, "a name is no text", "text", key.ToString()!);
            IReadOnlyList<object> way = paths?.Find(name) is TorchList path ? Way(name, path) : [name];
            items.Add(value is TorchObject { Type.Name: "BytesStorageMetadata" }
                ? new DistributedValue(name, way, PlaceOf(name, null))
                : Tensor(name, way, Fields(value, "TensorStorageMetadata")));
        }
        return items;
    }

    private DistributedTensor Tensor(string name, IReadOnlyList<object> way, TorchMap fields)
    {
        // A tuple since PyTorch 1.11, because memory formats cannot be pickled: dtype, layout, requires_grad, memory format, pinned. Where it was made by a call, the dtype is the first argument.
        TorchValue properties = fields.Find("properties") is TorchObject { Type.Name: "TensorProperties" } made ? made.State ?? made.Arguments
            : throw Malformed(name, "its properties are missing", "TensorProperties", fields.Find("properties")?.ToString() ?? "nothing");
        TorchValue? dtype = properties is TorchList { Count: > 0 } list ? list[0] : (properties as TorchMap)?.Find("dtype");
        TensorType type = dtype is TorchGlobal global && TorchDtypes.Parse(global) is { } known ? known
            : throw Malformed(name, "its element type is not known", "a dtype", dtype?.ToString() ?? "nothing");
        TorchList given = fields.Find("chunks") as TorchList ?? throw Malformed(name, "its chunks are missing", "a list", "none");
        var chunks = new List<DistributedChunk>(given.Count);
        foreach (TorchValue chunk in given)
        {
            TorchMap box = Fields(chunk, "ChunkStorageMetadata");
            long[] offsets = Numbers(box, "offsets");
            chunks.Add(new DistributedChunk(offsets, Numbers(box, "sizes"), PlaceOf(name, Key(offsets))));
        }
        return new DistributedTensor(name, way, type, Numbers(fields, "size"), chunks);
    }

    private DistributedPlace Place(string name, TorchMap fields)
    {
        string file = Text(fields, "relative_path");
        if (!StorePath.IsName(file))
            throw new CorruptDistributedCheckpointException(DistributedFault.UnsafePath, _path, "its file is outside the folder", "the name of a file beside it", $"'{file}'", name);
        if (fields.Find("transform_descriptors") is TorchList { Count: > 0 } transforms)
        {
            throw new CorruptDistributedCheckpointException(
                DistributedFault.UnsupportedTransform, _path, "it was saved through extensions, which are not read", "plain values", string.Join(", ", transforms), name);
        }
        return new DistributedPlace(file, Number(fields, "offset"), Number(fields, "length"));
    }

    private DistributedPlace PlaceOf(string name, string? offset) => _places.TryGetValue((name, offset), out DistributedPlace? place) ? place
        : throw new CorruptDistributedCheckpointException(DistributedFault.NoStorage, _path, "the metadata does not say where it lies", "an entry of storage_data", offset is null ? "none" : $"none for the chunk at [{offset}]", name);

    private object[] Way(string name, TorchList path)
    {
        object[] way = [.. path.Select(key => (key as TorchScalar)?.Value is string or long ? ((TorchScalar)key).Value! : throw Malformed(name, "its path is malformed", "texts and whole numbers", key.ToString()!))];
        return way.Length > 0 ? way : throw Malformed(name, "its path is empty", "texts and whole numbers", "none");
    }

    private TorchMap Fields(TorchValue value, string type) =>
        value is TorchObject made && made.Type.Name == type && made.State is TorchMap fields ? fields : throw Malformed(null, $"a value is no {type}", type, value.ToString()!);

    private TorchMap Map(TorchMap fields, string name) =>
        fields.Find(name) as TorchMap ?? throw Malformed(null, $"{name} is missing", "a map", fields.Find(name)?.ToString() ?? "nothing");

    private string Text(TorchMap fields, string name) =>
        (fields.Find(name) as TorchScalar)?.Value as string ?? throw Malformed(null, $"{name} is no text", "text", fields.Find(name)?.ToString() ?? "nothing");

    private long Number(TorchMap fields, string name) =>
        (fields.Find(name) as TorchScalar)?.Value is long and >= 0 and var number ? (long)number : throw Malformed(null, $"{name} is malformed", "a whole number from 0 on", fields.Find(name)?.ToString() ?? "nothing");

    private long[] Numbers(TorchMap fields, string name)
    {
        if (fields.Find(name) is not TorchList list)
            throw Malformed(null, $"{name} is malformed", "sizes", fields.Find(name)?.ToString() ?? "nothing");
        if (list.Count > StateTensor.MaxRank)
            throw Malformed(null, $"{name} has too many dimensions", $"at most {StateTensor.MaxRank}", $"{list.Count}");
        return [.. list.Select(item => (item as TorchScalar)?.Value is long and >= 0 and var number ? (long)number : throw Malformed(null, $"{name} is malformed", "whole numbers from 0 on", item.ToString()!))];
    }

    private static string Key(long[] offsets) => string.Join(',', offsets);

    private CorruptDistributedCheckpointException Malformed(string? item, string what, string expected, string found) =>
        new(DistributedFault.MetadataMalformed, _path, what, expected, found, item);
}
