using System.Collections.Frozen;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// PyTorch's names for element types: the dtype (<c>torch.float32</c>) and, for those older than PyTorch 2.1, the class of a typed
/// storage (<c>torch.FloatStorage</c>). See <c>torch/storage.py</c>, <c>_dtype_to_storage_type_map</c> and <c>_new_dtypes</c>.
/// </summary>
internal static class TorchDtypes
{
    private static readonly (TensorType Type, string Dtype, string? Storage)[] All =
    [
        (TensorType.Bool, "bool", "BoolStorage"),
        (TensorType.U8, "uint8", "ByteStorage"),
        (TensorType.I8, "int8", "CharStorage"),
        (TensorType.I16, "int16", "ShortStorage"),
        (TensorType.I32, "int32", "IntStorage"),
        (TensorType.I64, "int64", "LongStorage"),
        (TensorType.F16, "float16", "HalfStorage"),
        (TensorType.BF16, "bfloat16", "BFloat16Storage"),
        (TensorType.F32, "float32", "FloatStorage"),
        (TensorType.F64, "float64", "DoubleStorage"),
        (TensorType.C64, "complex64", "ComplexFloatStorage"),
        (TensorType.C128, "complex128", "ComplexDoubleStorage"),
        (TensorType.C32, "complex32", null),
        (TensorType.U16, "uint16", null),
        (TensorType.U32, "uint32", null),
        (TensorType.U64, "uint64", null),
        (TensorType.F8E4M3, "float8_e4m3fn", null),
        (TensorType.F8E5M2, "float8_e5m2", null),
        (TensorType.F8E4M3Fnuz, "float8_e4m3fnuz", null),
        (TensorType.F8E5M2Fnuz, "float8_e5m2fnuz", null),
        (TensorType.F8E8M0, "float8_e8m0fnu", null),
    ];

    // Dtypes that tensors of ours cannot have, but that stand in files as values.
    private static readonly string[] Others =
    [
        "qint8", "quint8", "qint32", "quint4x2", "quint2x4", "float4_e2m1fn_x2", "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16",
        .. Enumerable.Range(1, 7).SelectMany(bits => new[] { $"int{bits}", $"uint{bits}" }),
    ];

    private static readonly FrozenDictionary<TensorType, string> Names = All.ToFrozenDictionary(type => type.Type, type => type.Dtype);
    private static readonly FrozenDictionary<TensorType, string> Storages = All.Where(type => type.Storage is not null).ToFrozenDictionary(type => type.Type, type => type.Storage!);
    private static readonly FrozenDictionary<string, TensorType> Types = All.ToFrozenDictionary(type => type.Dtype, type => type.Type, StringComparer.Ordinal);
    private static readonly FrozenDictionary<string, TensorType> StorageTypes = All.Where(type => type.Storage is not null).ToFrozenDictionary(type => type.Storage!, type => type.Type, StringComparer.Ordinal);
    private static readonly FrozenDictionary<string, string> Aliases = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["short"] = "int16", ["int"] = "int32", ["long"] = "int64", ["half"] = "float16", ["float"] = "float32", ["double"] = "float64",
        ["chalf"] = "complex32", ["cfloat"] = "complex64", ["cdouble"] = "complex128",
    }.ToFrozenDictionary(StringComparer.Ordinal);
    private static readonly FrozenSet<string> Known = FrozenSet.Create(StringComparer.Ordinal, [.. Types.Keys, .. Others]);

    /// <summary>The dtype's name in the module <c>torch</c>; <see langword="null"/> where PyTorch has none (floats of 4 and 6 bits).</summary>
    public static string? NameOf(TensorType type) => Names.GetValueOrDefault(type);

    /// <summary>The class of a typed storage in the module <c>torch</c>; <see langword="null"/> for the dtypes that have none.</summary>
    public static string? StorageOf(TensorType type) => Storages.GetValueOrDefault(type);

    /// <summary>The type of a dtype's name without <c>torch.</c>; <see langword="null"/> when tensors here cannot have it.</summary>
    public static TensorType? FromName(string dtype) => Types.TryGetValue(dtype, out TensorType type) ? type : null;

    /// <summary>The type of a class of storages; <see langword="null"/> when tensors here cannot have it.</summary>
    public static TensorType? FromStorage(string name) => StorageTypes.TryGetValue(name, out TensorType type) ? type : null;

    /// <summary>The type of a dtype, under any of its names; <see langword="null"/> when it is none, or tensors here cannot have it.</summary>
    public static TensorType? Parse(TorchGlobal global) =>
        global.Module == "torch" ? FromName(Aliases.GetValueOrDefault(global.Name, global.Name)) : null;

    /// <summary>Whether this is a dtype.</summary>
    public static bool IsDtype(TorchGlobal global) => global.Module == "torch" && Known.Contains(global.Name);
}
