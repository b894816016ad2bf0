using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Interop.Tests;

/// <summary>What <c>scripts/describe.py</c> must print for a value: every type, shape, stride, tie and bit of it.</summary>
internal sealed class TorchDescription
{
    private readonly StringBuilder _text = new();
    private readonly Dictionary<TorchValue, string> _seen = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<StateTensor, int> _storages = new(ReferenceEqualityComparer.Instance);

    private TorchDescription() { }

    public static string Of(TorchValue value)
    {
        var description = new TorchDescription();
        description.Walk("root", value);
        return description._text.ToString();
    }

    private void Put(string path, string text) => _text.Append(CultureInfo.InvariantCulture, $"{path}: {text}\n");

    private void Walk(string path, TorchValue value)
    {
        if (value is TorchScalar scalar)
        {
            Put(path, Scalar(scalar));
            return;
        }
        if (value is TorchGlobal dtype)
        {
            Put(path, $"dtype {dtype}");
            return;
        }
        if (value is TorchObject device)
        {
            Put(path, $"device {string.Join(':', device.Arguments)}");
            return;
        }
        if (_seen.TryGetValue(value, out string? first) && value is not TorchList { Kind: TorchListKind.Tuple, Count: 0 })
        {
            Put(path, $"same as {first}");
            return;
        }
        _seen[value] = path;
        switch (value)
        {
            case TorchTensorValue tensor: Tensor(path, tensor); break;
            case TorchMap map: Map(path, map); break;
            case TorchList { Kind: TorchListKind.Set } set:
                Put(path, $"set [{string.Join(", ", set.Select(item => (long)((TorchScalar)item).Value!).Order())}]");
                break;
            case TorchList list:
                Put(path, $"{(list.Kind == TorchListKind.Size ? "Size" : list.Kind.ToString().ToLowerInvariant())} of {list.Count}");
                for (int i = 0; i < list.Count; i++)
                    Walk($"{path}.{i}", list[i]);
                break;
        }
    }

    private void Map(string path, TorchMap map)
    {
        Put(path, $"{(map.Kind is TorchMapKind.Dict or TorchMapKind.DefaultDict ? "dict" : map.Kind.ToString())} of {map.Count}");
        int i = 0;
        foreach ((TorchValue key, TorchValue value) in map)
        {
            Walk($"{path}.{i}k", key);
            Walk($"{path}.{i++}", value);
        }
        if (map.Attributes is { } attributes)
            Walk($"{path}.attributes", attributes);
    }

    private void Tensor(string path, TorchTensorValue tensor)
    {
        StateTensor storage = tensor.Storage.Bytes;
        string index = "none";
        if (storage.ByteLength > 0)
        {
            _storages.TryAdd(storage, _storages.Count);
            index = _storages[storage].ToString(CultureInfo.InvariantCulture);
        }
        byte[] bytes = new byte[tensor.Data.ByteLength];
        tensor.Data.CopyTo(0, bytes);
        Put(path, $"{(tensor.IsParameter ? "Parameter" : "Tensor")} torch.{NameOf(tensor.Data.Type)} [{string.Join(", ", tensor.Data.Shape)}] strides [{string.Join(", ", tensor.Strides)}] offset {tensor.Offset} "
            + $"requires_grad {tensor.RequiresGrad} storage {index} of {storage.ByteLength} {Digest(bytes)}");
    }

    private static string Scalar(TorchScalar scalar) => scalar.Value switch
    {
        null => "None",
        bool value => $"bool {value}",
        long value => $"int {value}",
        BigInteger value => $"int {value}",
        double value => $"float {Bits(value)}",
        Complex value => $"complex {Bits(value.Real)} {Bits(value.Imaginary)}",
        string value => $"str {Digest(Encode(value))}",
        byte[] value => $"bytes {Digest(value)}",
        object other => throw new InvalidOperationException($"A scalar is a {other.GetType()}."),
    };

    private static byte[] Encode(string text) => text == "\uD800" ? [0xED, 0xA0, 0x80] : Encoding.UTF8.GetBytes(text);

    private static string Bits(double value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        return Convert.ToHexStringLower(bytes);
    }

    private static string Digest(byte[] bytes) => Convert.ToHexStringLower(bytes.Length <= 64 ? bytes : SHA256.HashData(bytes));

    private static string NameOf(TensorType type) => type switch
    {
        TensorType.Bool => "bool",
        TensorType.U8 => "uint8",
        TensorType.I8 => "int8",
        TensorType.I16 => "int16",
        TensorType.I32 => "int32",
        TensorType.I64 => "int64",
        TensorType.U16 => "uint16",
        TensorType.U32 => "uint32",
        TensorType.U64 => "uint64",
        TensorType.F16 => "float16",
        TensorType.BF16 => "bfloat16",
        TensorType.F32 => "float32",
        TensorType.F64 => "float64",
        TensorType.C32 => "complex32",
        TensorType.C64 => "complex64",
        TensorType.C128 => "complex128",
        TensorType.F8E4M3 => "float8_e4m3fn",
        TensorType.F8E5M2 => "float8_e5m2",
        TensorType.F8E4M3Fnuz => "float8_e4m3fnuz",
        TensorType.F8E5M2Fnuz => "float8_e5m2fnuz",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };
}
