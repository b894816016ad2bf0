using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>The classes of storages, <c>torch.FloatStorage</c> and so on. Source: <c>_dtype_to_storage_type_map</c> in <c>torch/storage.py</c>.</summary>
internal static class StorageClasses
{
    /// <summary>Whether a global is a class of storages, of whatever type.</summary>
    public static bool IsStorage(TorchGlobal global) =>
        global.Module is "torch" or "torch.cuda" or "torch.storage" && (IsUntyped(global) || Type(global) is not null || IsQuantized(global));

    public static bool IsUntyped(TorchGlobal global) => global.Name is "UntypedStorage" or "_UntypedStorage";

    public static bool IsQuantized(TorchGlobal global) => global.Name is "QInt8Storage" or "QUInt8Storage" or "QInt32Storage" or "QUInt4x2Storage" or "QUInt2x4Storage";

    /// <summary>The integers of a quantized storage; <see langword="null"/> where several share a byte.</summary>
    public static TensorType? IntegersOf(TorchGlobal global) => global.Name switch
    {
        "QInt8Storage" => TensorType.I8,
        "QUInt8Storage" => TensorType.U8,
        "QInt32Storage" => TensorType.I32,
        _ => null,
    };

    /// <summary>The element type; <see langword="null"/> for an untyped storage and for one that is not read.</summary>
    public static TensorType? Type(TorchGlobal global) => TorchDtypes.FromStorage(global.Name);
}
