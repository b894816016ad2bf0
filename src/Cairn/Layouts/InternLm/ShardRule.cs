namespace Cairn.Layouts.InternLm;

/// <summary>How ranks cut a tensor between them.</summary>
internal enum Cut
{
    /// <summary>Each has the whole.</summary>
    None,
    /// <summary>Along the first dimension.</summary>
    Rows,
    /// <summary>Along the second dimension.</summary>
    Columns,
    /// <summary>Queries, keys and values stand one behind the other along the first dimension, and each third is cut.</summary>
    ThirdsOfRows,
    /// <summary>Two linears stand one behind the other along the first dimension, and each half is cut.</summary>
    HalvesOfRows,
    /// <summary>Only the first has it: the bias of a linear whose results are summed over the ranks.</summary>
    FirstOnly,
}

/// <summary>How a tensor was cut, and by whom.</summary>
/// <param name="Cut">The way.</param>
/// <param name="ByWeight">Whether the weight-parallel ranks of ISP cut it, and not the tensor-parallel ones.</param>
internal readonly record struct ShardRule(Cut Cut, bool ByWeight);

/// <summary>
/// Finds out by the names of modules how their tensors were cut: InternLM does not write it down, but for the embeddings of flash-attention. The modules are
/// those of <c>internlm/model/modeling_*.py</c>, <c>ops/linear.py</c>, <c>modules/embedding.py</c> and <c>modules/mlp.py</c>.
/// </summary>
/// <param name="topology">Module → dimension, from the topology files.</param>
/// <param name="isIsp">Whether the weights were cut by ISP, which cuts the rows of every linear.</param>
internal sealed class ShardRules(IReadOnlyDictionary<string, int> topology, bool isIsp)
{
    private const string Bias = "bias", FusedMlp = "fused_w1_w3";

    /// <summary>The rule for a tensor, or <see langword="null"/> when its name is not known.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shapeOf">Shape that a tensor of this name has on one rank; <see langword="null"/> when there is none.</param>
    public ShardRule? For(string name, Func<string, IReadOnlyList<long>?> shapeOf)
    {
        string[] path = name.Split('.');
        if (path.Length < 2)
            return null;
        string module = path[^2], parameter = path[^1], modulePath = name[..^(parameter.Length + 1)];
        if (topology.TryGetValue(modulePath, out int dimension))
            return new ShardRule(dimension == 0 ? Cut.Rows : Cut.Columns, ByWeight: false);
        if (parameter == "inv_freq" || module.Contains("norm", StringComparison.Ordinal) || module is "wg" or "gate" or "coefficient")
            return new ShardRule(Cut.None, ByWeight: false);
        switch (module)
        {
            case "word_embeddings":
                return new ShardRule(Cut.Rows, ByWeight: false);
            case "tok_embeddings" or "embedding":
                return new ShardRule(Cut.Columns, ByWeight: false);
            // A reward model has one row for each rank of the world of tensors, and it is made the same on all.
            case "output" or "head":
                return new ShardRule(shapeOf(name) is [1, ..] ? Cut.None : Cut.Rows, ByWeight: false);
        }
        if (IsColumnParallel(module, modulePath, shapeOf) is not { } column)
            return null;
        return isIsp ? new ShardRule(Cut.Rows, ByWeight: true)
            : new ShardRule(column ? RowsOf(module) : parameter == Bias ? Cut.FirstOnly : Cut.Columns, ByWeight: false);
    }

    private static Cut RowsOf(string module) => module switch
    {
        "Wqkv" => Cut.ThirdsOfRows,
        FusedMlp => Cut.HalvesOfRows,
        _ => Cut.Rows,
    };

    // The results of a column-parallel linear are cut, those of a row-parallel one are summed.
    private static bool? IsColumnParallel(string module, string modulePath, Func<string, IReadOnlyList<long>?> shapeOf)
    {
        switch (module)
        {
            case "Wqkv" or "wqkv" or "wq" or "wk" or "wv" or "w1" or "fc1" or FusedMlp:
                return true;
            case "wo" or "out_proj" or "fc2":
                return false;
            case "w2" or "w3":
                break;
            default:
                return null;
        }
        // Which of the two gives the result has changed from InternLM to InternLM2; its shape is the other way round.
        string parent = modulePath[..^module.Length];
        if (shapeOf($"{parent}{FusedMlp}.weight") is not null)
            return false;
        if (shapeOf($"{parent}w1.weight") is [var hidden, var width] && hidden != width && shapeOf(modulePath + ".weight") is { } shape)
            return shape is [var rows, var columns] && rows == hidden && columns == width;
        return parent.EndsWith(".mlp.", StringComparison.Ordinal) ? module == "w2" : module == "w3";
    }
}
