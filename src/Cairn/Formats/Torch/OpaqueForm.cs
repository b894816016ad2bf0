namespace Cairn.Formats.Torch;

/// <summary>
/// What a state says of an object that this reader does not know: <c>class</c>, and, where the pickle gives them, <c>arguments</c>, <c>keywords</c>, <c>state</c> (mostly its
/// attributes), <c>items</c> (of a list) and <c>entries</c> (of a dict). Tensors that are not dense are said by what they are made of.
/// </summary>
internal static class OpaqueForm
{
    public static IEnumerable<(string Name, TorchValue Value)> Of(TorchObject made) => Tensor(made) is { } tensor ? Named(tensor) : WrappedTensor.Of(made) is { } wrapped ? wrapped.Named() : Plain(made);

    /// <summary>What it is, for people.</summary>
    public static string Describe(TorchObject made) => Unwrapped(made).Type.Name switch
    {
        "_rebuild_sparse_tensor" or "_rebuild_sparse_csr_tensor" => "a sparse tensor (save its to_dense())",
        "_rebuild_meta_tensor_no_storage" => "a tensor of the device meta, which has no elements (save it after it was initialized)",
        "_rebuild_qtensor" => "a quantized tensor (save its dequantize())",
        _ when WrappedTensor.Of(made) is { } wrapped => wrapped.Describe,
        _ => $"an object of {CorruptTorchFileException.Shorten(made.Type.ToString())}",
    };

    private static IEnumerable<(string Name, TorchValue Value)> Plain(TorchObject made)
    {
        yield return ("class", made.Type.ToString());
        if (made.Arguments.Count > 0)
            yield return ("arguments", made.Arguments);
        if (made.Keywords is { } keywords)
            yield return ("keywords", keywords);
        if (made.State is { } state)
            yield return ("state", state);
        if (made.Items is { } items)
            yield return ("items", items);
        if (made.Entries is { } entries)
            yield return ("entries", entries);
    }

    private static IEnumerable<(string Name, TorchValue Value)> Named((string[] Names, IReadOnlyList<TorchValue> Values) tensor) =>
        tensor.Names.Zip(tensor.Values);

    private static (string[] Names, IReadOnlyList<TorchValue> Values)? Tensor(TorchObject made) => Unwrapped(made) switch
    {
        { Type.Name: "_rebuild_sparse_tensor", Arguments: [var layout, TorchList { Count: 3 or 4 } parts] } => (["layout", "indices", "values", "size"], [Text(layout), parts[0], parts[1], parts[2]]),
        { Type.Name: "_rebuild_sparse_csr_tensor", Arguments: [var layout, TorchList { Count: 4 } parts] } =>
            (["layout", "compressed_indices", "plain_indices", "values", "size"], [Text(layout), parts[0], parts[1], parts[2], parts[3]]),
        { Type.Name: "_rebuild_meta_tensor_no_storage", Arguments: [var type, var size, ..] } => (["device", "dtype", "size"], ["meta", type, size]),
        { Type.Name: "_rebuild_qtensor", Arguments: [var integers, TorchList { Count: 3 } affine] } => (["scheme", "int_repr", "scale", "zero_point"], [Text(affine[0]), integers, affine[1], affine[2]]),
        { Type.Name: "_rebuild_qtensor", Arguments: [var integers, TorchList { Count: 4 } channels] } =>
            (["scheme", "int_repr", "scale", "zero_point", "axis"], [Text(channels[0]), integers, channels[1], channels[2], channels[3]]),
        _ => null,
    };

    // A parameter whose data is such a tensor.
    private static TorchObject Unwrapped(TorchObject made)
    {
        TorchObject inner = made is { Type.Name: "_rebuild_parameter", Arguments: [TorchObject data, ..] } ? data : made;
        return inner.Type.Module == "torch._utils" ? inner : made;
    }

    private static TorchValue Text(TorchValue value) => value switch
    {
        TorchObject { Arguments: [TorchScalar { Value: string }, ..] } layout => layout.Arguments[0],
        TorchGlobal global => global.ToString(),
        _ => value,
    };
}
