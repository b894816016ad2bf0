using System.Text.Json;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch;

/// <summary>
/// A distributed checkpoint that <see href="https://github.com/NVIDIA/Megatron-LM/tree/main/megatron/core/dist_checkpointing">Megatron-LM's core</see> wrote (<c>--ckpt-format torch_dist</c>): one flat map of tensors, with
/// <c>optimizer.state.FIELD.NAME</c> among the weights, and all that is no tensor in <c>common.pt</c>.
/// </summary>
internal static class MegatronDistributed
{
    /// <summary>The file of what is no tensor; newer versions have it among the rest.</summary>
    public const string CommonName = "common.pt";

    private const string MetadataName = "metadata.json", Backend = "torch_dist";
    private const string OptimizerPrefix = "optimizer.", StatePrefix = "optimizer.state.", RandomKey = "rng_state", ExtraState = "_extra_state";
    private const string Model = "model", Optimizer = "optimizer", Random = "random", Extra = "extra_state", State = "state", Groups = "param_groups", Others = "others";
    private const int LargestMetadata = 1 << 20;

    /// <summary>Whether a folder is one, by its <c>metadata.json</c>.</summary>
    public static bool IsIn(IFileSource files, string folder)
    {
        string path = StorePath.Join(folder, MetadataName);
        if (!files.FileExists(path))
            return false;
        try
        {
            using JsonDocument metadata = JsonDocument.Parse(SmallFile.Read(files, path, LargestMetadata));
            return metadata.RootElement.ValueKind == JsonValueKind.Object && metadata.RootElement.TryGetProperty("sharded_backend", out JsonElement backend) && backend.ValueKind == JsonValueKind.String && backend.ValueEquals(Backend);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or CorruptCheckpointException)
        {
            return false;
        }
    }

    /// <summary>The parts of what it holds.</summary>
    /// <param name="flat">The tensors, and what else stands among them.</param>
    /// <param name="common">What is no tensor.</param>
    public static StateMap Parts(StateMap flat, StateMap common)
    {
        StateMap model = [], states = [], others = [], random = [], extra = [], context = [];
        foreach ((string key, StateNode node) in flat)
        {
            if (key.StartsWith(StatePrefix, StringComparison.Ordinal) && key.IndexOf('.', StatePrefix.Length) is > 0 and var dot && dot < key.Length - 1)
                FlatOptimizer.Entry(states, key[(dot + 1)..]).Add(key[StatePrefix.Length..dot], node);
            else if (key.StartsWith(OptimizerPrefix, StringComparison.Ordinal))
                others.Add(key[OptimizerPrefix.Length..], node);
            else if (key == RandomKey || key.StartsWith(RandomKey + "/", StringComparison.Ordinal))
                random[key] = node;
            // What a layer keeps for itself, such as the scales of FP8: bytes, by layer or rank.
            else if (key.Contains(ExtraState, StringComparison.Ordinal))
                extra.Add(key, node);
            else if (node is StateTensor && key.Contains('.', StringComparison.Ordinal))
                model.Add(key, node);
            else
                context.Add(key, node);
        }
        StateMap root = new() { [Model] = model };
        foreach ((string key, StateNode node) in common)
        {
            if (key == RandomKey)
                random[key] = node;
            else if (key != Optimizer)
                context[key] = node;
        }
        StateMap? settings = common.GetValueOrDefault(Optimizer) as StateMap ?? context.GetValueOrDefault(Optimizer) as StateMap;
        if (states.Count > 0 || others.Count > 0 || settings is not null)
            root.Add(Optimizer, OptimizerOf(states, others, settings));
        if (random.Count > 0)
            root.Add(Random, random);
        foreach ((string key, StateNode node) in context)
        {
            if (!root.ContainsKey(key))
                root.Add(key, node);
        }
        if (extra.Count > 0 && !root.ContainsKey(Extra))
            root.Add(Extra, extra);
        return root;
    }

    private static StateMap OptimizerOf(StateMap states, StateMap others, StateMap? settings)
    {
        StateMap inner = settings?.GetValueOrDefault(Optimizer) as StateMap ?? settings ?? [];
        StateMap optimizer = new() { [State] = states, [Groups] = inner.GetValueOrDefault(Groups) ?? new StateList() };
        foreach ((string key, StateNode node) in (settings ?? []).Where(entry => entry.Key != Optimizer).Concat(inner))
        {
            if (!optimizer.ContainsKey(key))
                optimizer.Add(key, node);
        }
        if (others.Count > 0 && !optimizer.ContainsKey(Others))
            optimizer.Add(Others, others);
        return optimizer;
    }
}
