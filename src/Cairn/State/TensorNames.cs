namespace Cairn.State;

/// <summary>
/// Names of tensors in a part's file: the map keys and list indexes on the way to the tensor, joined by <c>/</c>, with
/// <c>~</c> as <c>~0</c> and <c>/</c> as <c>~1</c> within a key, as in JSON Pointer (RFC 6901) without the first slash.
/// </summary>
internal static class TensorNames
{
    // The one name that safetensors keeps for itself; no other key is escaped to "~2".
    private const string Reserved = "__metadata__";
    private const string ReservedEscape = "~2";

    public static string Escape(string key) =>
        key == Reserved ? ReservedEscape
        : key.AsSpan().ContainsAny('~', '/') ? key.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal) : key;

    public static string Unescape(string name) =>
        name == ReservedEscape ? Reserved
        : name.Contains('~', StringComparison.Ordinal) ? name.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal) : name;
}
