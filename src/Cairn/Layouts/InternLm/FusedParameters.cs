using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// The parameters that were trained, from the names in a model's file. Since 2024-05 InternEvo trains queries, keys and values as one linear (<c>wqkv</c>) and with
/// <c>mlp_layer_fusion</c> the first and third linear of a feed-forward (<c>fused_w1_w3</c>), and its state dict shows the parts under names of their own
/// (<c>internlm/model/modules/mha.py</c>, <c>mlp.py</c>). The optimizer knows only the whole.
/// <para>
/// The rows of a fused <c>wqkv</c> go by heads (<c>h gs d</c>), and the file cuts them at three places all the same, on every rank for itself: only fused again are
/// they the matrix that every program of InternLM2 has. So it stays one parameter, as in the files of older versions.
/// </para>
/// </summary>
internal sealed class FusedParameters
{
    private const string Wqkv = "wqkv", FusedMlp = "fused_w1_w3", Weight = ".weight";
    private static readonly string[] Attention = ["wq", "wk", "wv"], Mlp = ["w1", "w3"];

    private readonly bool? _attention, _mlp;

    /// <param name="attention">Whether the configuration says that attention is fused; <see langword="null"/> when it says nothing.</param>
    /// <param name="mlp">The same of feed-forwards.</param>
    public FusedParameters(bool? attention, bool? mlp) => (_attention, _mlp) = (attention, mlp);

    /// <summary>A rank's tensors with the fused parameters in place of their parts, in the order of the modules.</summary>
    /// <param name="tensors">The tensors by name, in the order of the file.</param>
    public OrderedDictionary<string, StateTensor> Restore(OrderedDictionary<string, StateTensor> tensors)
    {
        OrderedDictionary<string, StateTensor> restored = Restore(tensors, Attention, "wo", Wqkv, _attention);
        return Restore(restored, Mlp, "w2", FusedMlp, _mlp);
    }

    /// <summary>The names in the whole model of a parameter: both of a fused feed-forward, else its own.</summary>
    public static IEnumerable<string> NamesOf(string name) => IsFusedMlp(name) ? Mlp.Select(part => name.Replace(FusedMlp, part, StringComparison.Ordinal)) : [name];

    /// <summary>A whole model's tensors, with those of fused feed-forwards under their own names again.</summary>
    public static OrderedDictionary<string, StateTensor> Split(OrderedDictionary<string, StateTensor> tensors)
    {
        if (!tensors.Keys.Any(IsFusedMlp))
            return tensors;
        var split = new OrderedDictionary<string, StateTensor>(StringComparer.Ordinal);
        foreach ((string name, StateTensor tensor) in tensors)
        {
            if (!IsFusedMlp(name))
            {
                split.Add(name, tensor);
                continue;
            }
            long half = tensor.Shape[0] / 2;
            string[] names = [.. NamesOf(name)];
            split.Add(names[0], tensor.Narrow(0, 0, half));
            split.Add(names[1], tensor.Narrow(0, half, half));
        }
        return split;
    }

    private static bool IsFusedMlp(string name) => name.EndsWith("." + FusedMlp + Weight, StringComparison.Ordinal);

    private static OrderedDictionary<string, StateTensor> Restore(OrderedDictionary<string, StateTensor> tensors, string[] parts, string output, string whole, bool? isFused)
    {
        if (isFused == false)
            return tensors;
        // The prefixes of modules whose parts are fused.
        var fused = new HashSet<string>(StringComparer.Ordinal);
        foreach (string name in tensors.Keys)
        {
            string end = $".{parts[0]}{Weight}";
            if (name.EndsWith(end, StringComparison.Ordinal) && IsFused(tensors, name[..^(end.Length - 1)], parts, output, isFused))
                fused.Add(name[..^(end.Length - 1)]);
        }
        if (fused.Count == 0)
            return tensors;
        var restored = new OrderedDictionary<string, StateTensor>(StringComparer.Ordinal);
        foreach ((string name, StateTensor tensor) in tensors)
        {
            string? prefix = PrefixOf(name, parts.Append(output), fused);
            // A module's first linear is the fused one.
            if (prefix is not null && !restored.ContainsKey(prefix + whole + Weight))
                restored.Add(prefix + whole + Weight, TensorOperations.Concat([.. parts.Select(part => tensors[prefix + part + Weight])], 0));
            if (prefix is null || name == prefix + output + Weight)
                restored.Add(name, tensor);
        }
        return restored;
    }

    // Where nothing says it, the order of names does: the hook that shows the parts adds them behind all others of the module.
    private static bool IsFused(OrderedDictionary<string, StateTensor> tensors, string prefix, string[] parts, string output, bool? isFused)
    {
        int last = tensors.IndexOf(prefix + output + Weight);
        int[] places = [.. parts.Select(part => tensors.IndexOf(prefix + part + Weight))];
        if (Array.Exists(places, place => place < 0) || parts.Any(part => tensors.ContainsKey(prefix + part + ".bias")))
            return false;
        StateTensor[] found = [.. parts.Select(part => tensors[prefix + part + Weight])];
        // Queries have more rows than keys and values, which have as many; so have both linears of a feed-forward.
        bool fit = Array.TrueForAll(found, tensor => tensor.Type == found[0].Type && tensor.Shape.Count == 2 && tensor.Shape[1] == found[0].Shape[1])
            && found[^1].Shape[0] == found[^2].Shape[0];
        return fit && (isFused ?? (last >= 0 && Array.TrueForAll(places, place => place > last)));
    }

    private static string? PrefixOf(string name, IEnumerable<string> linears, HashSet<string> prefixes)
    {
        foreach (string linear in linears)
        {
            string end = $".{linear}{Weight}";
            if (name.EndsWith(end, StringComparison.Ordinal) && prefixes.Contains(name[..^(end.Length - 1)]))
                return name[..^(end.Length - 1)];
        }
        return null;
    }
}
