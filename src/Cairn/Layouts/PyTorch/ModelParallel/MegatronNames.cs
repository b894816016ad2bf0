namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>
/// What the names of <see href="https://github.com/NVIDIA/Megatron-LM">Megatron-LM</see>'s parameters say about how tensor-parallel ranks share them, of its core (<c>linear_qkv</c>) and of its models before that
/// (<c>query_key_value</c>), as its own converters join them (<c>tools/checkpoint/loader_base.py</c>).
/// </summary>
internal static class MegatronNames
{
    private const int Rows = 0, Columns = 1, Gated = 2;

    private static readonly string[] ColumnParallel =
        ["word_embeddings", "word_embeddings_for_head", "output_layer", "linear_qkv", "linear_q", "linear_kv", "linear_q_proj", "linear_q_up_proj", "linear_kv_up_proj", "query", "key_value", "query_key_value", "eh_proj"];

    private static readonly string[] RowParallel = ["linear_proj", "linear_fc2", "dense_4h_to_h"];

    // The two layers of a feed-forward network: the first may hold the gate, too.
    private static readonly (string First, string Second)[] FeedForward = [("linear_fc1", "linear_fc2"), ("dense_h_to_4h", "dense_4h_to_h")];

    private static readonly string[] Replicated = ["position_embeddings", "tokentype_embeddings", "router"];

    /// <summary>How ranks share a tensor; <see langword="null"/> when its name does not tell.</summary>
    /// <param name="name">Its name, with dots.</param>
    /// <param name="shapes">The shapes of all that one rank has, by name.</param>
    /// <param name="areQkvApart">Whether queries, keys and values stand one behind the other, as before version 1 of these checkpoints.</param>
    public static TensorCut? CutOf(string name, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes, bool areQkvApart = false)
    {
        string[] components = name.Split('.');
        string leaf = components[^1].TrimEnd("0123456789".ToCharArray()), module = components.Length > 1 ? components[^2] : "";
        if (leaf is "_extra_state" or "layer_norm_weight" or "layer_norm_bias")
            return TensorCut.Whole;
        bool isWeight = leaf == "weight", isBias = leaf == "bias";
        if (module == "router" || ((isWeight || isBias) && (Replicated.Contains(module, StringComparer.Ordinal) || IsNorm(module))))
            return TensorCut.Whole;
        // Of the experts' own weight1 and weight2 the name does not tell which is whose.
        if (!isWeight && !isBias || module == "experts")
            return null;
        if (ColumnParallel.Contains(module, StringComparer.Ordinal))
            return TensorCut.Along(Rows, areQkvApart ? module switch { "query_key_value" => 3, "key_value" => 2, _ => 1 } : 1);
        if (RowParallel.Contains(module, StringComparer.Ordinal) || (module == "dense" && components.Length > 2 && components[^3].EndsWith("attention", StringComparison.Ordinal)))
            return isWeight ? TensorCut.Along(Columns) : TensorCut.Whole;
        foreach ((string first, string second) in FeedForward)
        {
            if (module == first)
                return GateOf(name, components, second, shapes);
        }
        return null;
    }

    // Each rank has its rows of the gate before its rows of the values; how many there are of both is what the second layer takes.
    private static TensorCut? GateOf(string name, string[] components, string second, IReadOnlyDictionary<string, IReadOnlyList<long>> shapes)
    {
        string number = components[^1].TrimStart("weightbias".ToCharArray());
        string other = string.Join('.', [.. components[..^2], second, $"weight{number}"]);
        if (!shapes.TryGetValue(other, out IReadOnlyList<long>? behind) || behind is not [_, var width] || !shapes.TryGetValue(name, out IReadOnlyList<long>? own) || own.Count == 0)
            return null;
        return own[0] == width ? TensorCut.Along(Rows) : own[0] == Gated * width ? TensorCut.Along(Rows, Gated) : null;
    }

    // The norm of a Mamba mixer is cut, and is called just so.
    private static bool IsNorm(string module) => module != "norm" && module.EndsWith("norm", StringComparison.Ordinal);
}
