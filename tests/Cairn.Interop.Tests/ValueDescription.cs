using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Interop.Tests;

/// <summary>Describes values of PyTorch as JSON, in the words of <c>values.py</c>: equal descriptions mean equal values, to the bit.</summary>
/// <param name="withSharing">Whether it says which tensors share storages and views.</param>
internal sealed class ValueDescription(bool withSharing = true)
{
    private const int Long = 2048;
    private readonly Dictionary<TorchStorage, int> _storages = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<StateTensor, int> _views = new(ReferenceEqualityComparer.Instance);

    public JsonNode? Of(TorchValue value) => value switch
    {
        TorchScalar scalar => Of(scalar),
        TorchList list => new JsonObject { [Name(list.Kind)] = Items(list) },
        TorchMap map => Of(map),
        TorchGlobal global => new JsonObject { ["global"] = global.ToString() },
        TorchObject instance => Of(instance),
        TorchTensorValue tensor => Of(tensor),
        _ => throw new InvalidOperationException($"No description of {value.GetType()}."),
    };

    private static JsonNode? Of(TorchScalar scalar) => scalar.Value switch
    {
        null => null,
        bool flag => flag,
        string text => text,
        long number => new JsonObject { ["int"] = number.ToString(CultureInfo.InvariantCulture) },
        BigInteger number => new JsonObject { ["int"] = number.ToString(CultureInfo.InvariantCulture) },
        double number => new JsonObject { ["float"] = Bits(number) },
        Complex number => new JsonObject { ["complex"] = new JsonArray(Bits(number.Real), Bits(number.Imaginary)) },
        byte[] bytes => new JsonObject { ["bytes"] = Text(bytes) },
        object other => throw new InvalidOperationException($"No description of {other.GetType()}."),
    };

    private JsonObject Of(TorchMap map)
    {
        var pairs = new JsonArray();
        foreach ((TorchValue key, TorchValue value) in map)
            pairs.Add((JsonNode)new JsonArray(Of(key), Of(value)));
        var described = new JsonObject { [map.Kind switch { TorchMapKind.Dict => "dict", TorchMapKind.DefaultDict => "defaultdict", _ => map.Kind.ToString() }] = pairs };
        if (map.Attributes is TorchMap attributes)
            described["attributes"] = Of(attributes);
        return described;
    }

    private JsonObject Of(TorchObject instance)
    {
        var described = new JsonObject { ["object"] = instance.Type.ToString(), ["arguments"] = Of(instance.Arguments) };
        if (instance.State is TorchValue state)
            described["state"] = Of(state);
        return described;
    }

    private JsonObject Of(TorchTensorValue tensor)
    {
        byte[] bytes = new byte[tensor.Data.ByteLength];
        tensor.Data.CopyTo(0, bytes);
        if (!_storages.TryGetValue(tensor.Storage, out int storage))
            _storages.Add(tensor.Storage, storage = _storages.Count);
        if (!_views.TryGetValue(tensor.Data, out int view))
            _views.Add(tensor.Data, view = _views.Count);
        var described = new JsonObject
        {
            ["tensor"] = "torch." + Name(tensor.Data.Type),
            ["shape"] = Numbers(tensor.Data.Shape),
            ["strides"] = Numbers(tensor.Strides),
            ["offset"] = tensor.Offset,
            ["storage"] = withSharing ? storage : 0,
            ["view"] = withSharing ? view : 0,
            ["bytes"] = Text(bytes),
            ["parameter"] = tensor.IsParameter,
            ["grad"] = tensor.RequiresGrad,
        };
        if (tensor.Attributes is TorchValue attributes)
            described["attributes"] = Of(attributes);
        return described;
    }

    private JsonArray Items(TorchList list)
    {
        var items = new JsonArray();
        foreach (TorchValue item in list)
            items.Add(Of(item));
        return items;
    }

    private static JsonArray Numbers(IReadOnlyList<long> numbers)
    {
        var items = new JsonArray();
        foreach (long number in numbers)
            items.Add(JsonValue.Create(number));
        return items;
    }

    private static string Name(TorchListKind kind) => kind switch
    {
        TorchListKind.Size => "Size",
        _ => kind.ToString().ToLowerInvariant(),
    };

    private static string Name(TensorType type) => type switch
    {
        TensorType.Bool => "bool",
        TensorType.U8 => "uint8",
        TensorType.I8 => "int8",
        TensorType.I16 => "int16",
        TensorType.U16 => "uint16",
        TensorType.I32 => "int32",
        TensorType.U32 => "uint32",
        TensorType.I64 => "int64",
        TensorType.U64 => "uint64",
        TensorType.F16 => "float16",
        TensorType.BF16 => "bfloat16",
        TensorType.F32 => "float32",
        TensorType.F64 => "float64",
        TensorType.C32 => "complex32",
        TensorType.C64 => "complex64",
        TensorType.C128 => "complex128",
        TensorType.F8E5M2 => "float8_e5m2",
        TensorType.F8E4M3 => "float8_e4m3fn",
        TensorType.F8E5M2Fnuz => "float8_e5m2fnuz",
        TensorType.F8E4M3Fnuz => "float8_e4m3fnuz",
        TensorType.F8E8M0 => "float8_e8m0fnu",
        _ => throw new InvalidOperationException($"PyTorch has no {type}."),
    };

    private static string Text(byte[] bytes) => bytes.Length <= Long ? Convert.ToHexStringLower(bytes) : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static string Bits(double number)
    {
        byte[] bits = new byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleBigEndian(bits, number);
        return Convert.ToHexStringLower(bits);
    }

    /// <summary>A description with all storages and views the same, as <see cref="ValueDescription(bool)"/> gives without sharing.</summary>
    public static JsonNode? WithoutSharing(JsonNode? description)
    {
        foreach (JsonNode? node in Walk(description))
        {
            if (node is JsonObject tensor && tensor.ContainsKey("tensor"))
                (tensor["storage"], tensor["view"]) = (0, 0);
        }
        return description;
    }

    private static IEnumerable<JsonNode?> Walk(JsonNode? node)
    {
        IEnumerable<JsonNode?> children = node switch { JsonObject map => [.. map.Select(p => p.Value)], JsonArray list => [.. list], _ => [] };
        return children.SelectMany(Walk).Append(node);
    }
}
