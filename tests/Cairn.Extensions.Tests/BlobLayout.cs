using System.Text.Json.Nodes;
using Cairn.Formats;
using Cairn.Layouts;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Extensions.Tests;

// layout begins
/// <summary>Two files for each part: the bytes of its tensors one after another, and a tree in JSON that says where they lie.</summary>
public sealed class BlobLayout : ICheckpointLayout
{
    private const string Tree = ".tree.json", Blob = ".blob";

    public string Name => "blob";

    public void CheckPart(string part)
    {
        if (part.Contains('/') || part.Contains('.'))
            throw new ArgumentException($"The layout '{Name}' takes no part of the name '{part}'.", nameof(part));
    }

    public IReadOnlyList<PlannedFile> Plan(long step, IReadOnlyList<(string Part, StateMap State)> parts)
    {
        var files = new List<PlannedFile>();
        foreach ((string part, StateMap state) in parts)
        {
            var tensors = new List<TensorPlacement>();
            JsonNode? tree = Describe(state, part, tensors);
            files.Add(new PlannedFile(part, part + Blob, new BlobContent(tensors)));
            files.Add(new PlannedFile(part, part + Tree, new TextContent(tree!.ToJsonString())));
        }
        return files;
    }

    public LoadedCheckpoint Open(IFileSource files, string folder, IEnumerable<string> fileNames) => new BlobCheckpoint(files, folder, fileNames);

    private static JsonNode? Describe(StateNode node, string path, List<TensorPlacement> tensors)
    {
        switch (node)
        {
            case StateMap map:
                return new JsonObject { ["map"] = new JsonObject(map.Select(entry => KeyValuePair.Create(entry.Key, Describe(entry.Value, $"{path}.{entry.Key}", tensors)))) };
            case StateList list:
                return new JsonArray([.. list.Select((item, i) => Describe(item, $"{path}.{i}", tensors))]);
            case StateTensor tensor:
                long offset = tensors.Sum(placed => placed.Tensor.ByteLength);
                tensors.Add(new TensorPlacement(path, tensor, offset));
                return new JsonObject { ["tensor"] = tensor.Type.ToString(), ["shape"] = new JsonArray([.. tensor.Shape.Select(size => (JsonNode)size)]), ["offset"] = offset };
            case StateScalar { Value: double number }:
                // JSON has no infinity, and would make 1.0 a whole number.
                return new JsonObject { ["double"] = BitConverter.DoubleToInt64Bits(number) };
            case StateScalar scalar:
                return scalar.Value switch { bool truth => truth, long number => number, string text => text, _ => null };
            default:
                throw new ArgumentException($"{path} is a {node.GetType().Name}, for which the layout has no form.", nameof(node));
        }
    }

    private sealed class BlobContent(IReadOnlyList<TensorPlacement> tensors) : IFileContent
    {
        public long Length => tensors.Sum(placed => placed.Tensor.ByteLength);
        public IReadOnlyList<TensorPlacement> Tensors => tensors;

        public void WriteTo(BlockSink sink)
        {
            using var blocks = new BlockWriter(sink);
            foreach (TensorPlacement placed in tensors)
                blocks.Write(placed.Tensor, placed.Name);
        }
    }

    private sealed class TextContent(string text) : IFileContent
    {
        private readonly byte[] _bytes = System.Text.Encoding.UTF8.GetBytes(text);

        public long Length => _bytes.Length;
        public IReadOnlyList<TensorPlacement> Tensors => [];

        public void WriteTo(BlockSink sink)
        {
            using var blocks = new BlockWriter(sink);
            blocks.Write(_bytes);
        }
    }

    private sealed class BlobCheckpoint(IFileSource files, string folder, IEnumerable<string> fileNames) : LoadedCheckpoint
    {
        public override IReadOnlyList<string> Parts { get; } = [.. fileNames.Where(name => name.EndsWith(Tree, StringComparison.Ordinal)).Select(name => name[..^Tree.Length])];

        public override IReadOnlyList<string> FilesOf(string part) => [part + Blob, part + Tree];

        public override StateMap Load(string part)
        {
            if (!Parts.Contains(part, StringComparer.Ordinal))
                throw new KeyNotFoundException($"{folder} has no part '{part}'.");
            IReadableFile blob = Keep(files.OpenRead($"{folder}/{part}{Blob}"));
            JsonNode? tree = JsonNode.Parse(SmallFile.Read(files, $"{folder}/{part}{Tree}", largest: 64 << 20));
            return (StateMap)Read(tree, blob);
        }

        private static StateNode Read(JsonNode? node, IReadableFile blob)
        {
            switch (node)
            {
                case null:
                    return StateScalar.Null;
                case JsonObject entry when entry["map"] is JsonObject map:
                    var state = new StateMap();
                    foreach ((string key, JsonNode? value) in map)
                        state.Add(key, Read(value, blob));
                    return state;
                case JsonObject entry when entry["tensor"] is { } type:
                    return new BlobTensor(blob, Enum.Parse<TensorType>((string)type!), [.. entry["shape"]!.AsArray().Select(size => (long)size!)], (long)entry["offset"]!);
                case JsonObject entry:
                    return BitConverter.Int64BitsToDouble((long)entry["double"]!);
                case JsonArray list:
                    return new StateList(list.Select(item => Read(item, blob)));
                default:
                    return node.GetValueKind() switch
                    {
                        System.Text.Json.JsonValueKind.String => (string)node!,
                        System.Text.Json.JsonValueKind.Number => (long)node,
                        _ => (bool)node,
                    };
            }
        }
    }

    private sealed class BlobTensor(IReadableFile blob, TensorType type, long[] shape, long start) : StateTensor(type, shape)
    {
        public override void CopyTo(long offset, Span<byte> destination)
        {
            if (blob.Read(start + offset, destination) < destination.Length)
                throw new CorruptCheckpointException("The blob ends within a tensor.");
        }
    }
}
// layout ends
