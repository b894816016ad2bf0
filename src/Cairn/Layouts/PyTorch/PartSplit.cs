using System.Buffers.Binary;
using System.Collections.Frozen;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>
/// Splits what a program saved with PyTorch into parts. There is no standard; these are the keys that are common:
/// <list type="table">
/// <item><term><c>model</c></term><description>model, model_state_dict, model_state, state_dict, module, net, network</description></item>
/// <item><term><c>optimizer</c></term><description>optimizer, optimizer_state_dict, optimizer_state, optim, optimizers, optimizer_states</description></item>
/// <item><term><c>scheduler</c></term><description>scheduler, scheduler_state_dict, lr_scheduler, lr_scheduler_state_dict, lr_schedulers</description></item>
/// <item><term><c>sampler</c></term><description>sampler, sampler_state_dict, dataloader, data_loader</description></item>
/// <item><term><c>random</c></term><description>random, random_state, rng, rng_state, rng_states</description></item>
/// <item><term><c>scaler</c></term><description>scaler, scaler_state_dict, grad_scaler</description></item>
/// <item><term><c>ema</c></term><description>ema, ema_state_dict, model_ema</description></item>
/// <item><term><c>context</c></term><description>all that has another key</description></item>
/// </list>
/// A list of one map stands for that map, as Lightning saves its only optimizer. A map with <c>state</c> and <c>param_groups</c> is an optimizer. Where none of the keys is there, all of it is the part <c>model</c>,
/// and where none of a model is there, the tensors beside the other parts are it, when one of them has a dotted name or that of a parameter of the optimizer, as torchtitan saves it.
/// </summary>
internal static class PartSplit
{
    /// <summary>The part of a model.</summary>
    public const string Model = "model";
    private const string Optimizer = "optimizer", Context = "context", Data = "data", TrainState = "train_state";

    // Cairn's own, Lightning's and the Trainer's, DeepSpeed's, Megatron's, and what people write by hand.
    private static readonly string[] StepKeys = ["step_count", "global_step", "global_steps", "iteration", "step"];

    private static readonly FrozenDictionary<string, string> PartOfKey = new (string Part, string[] Keys)[]
    {
        (Model, ["model", "model_state_dict", "model_state", "state_dict", "module", "net", "network"]),
        (Optimizer, ["optimizer", "optimizer_state_dict", "optimizer_state", "optim", "optimizers", "optimizer_states"]),
        ("scheduler", ["scheduler", "scheduler_state_dict", "lr_scheduler", "lr_scheduler_state_dict", "lr_schedulers"]),
        ("sampler", ["sampler", "sampler_state_dict", "dataloader", "data_loader"]),
        ("random", ["random", "random_state", "rng", "rng_state", "rng_states"]),
        ("scaler", ["scaler", "scaler_state_dict", "grad_scaler"]),
        ("ema", ["ema", "ema_state_dict", "model_ema"]),
    }.SelectMany(part => part.Keys.Select(key => (key, part.Part))).ToFrozenDictionary(entry => entry.key, entry => entry.Part, StringComparer.Ordinal);

    /// <summary>The step that was reached, where a part <c>context</c> says it by a key that is common; <see langword="null"/> otherwise.</summary>
    public static long? StepIn(IReadOnlyDictionary<string, StateMap> parts)
    {
        if (!parts.TryGetValue(Context, out StateMap? context))
            return null;
        return StepKeys.Select(key => NumberIn(context, key)).FirstOrDefault(step => step is not null)
            ?? (context.TryGetValue(TrainState, out StateNode? titan) && titan is StateMap state ? NumberIn(state, "step") : null);
    }

    // A program that has it on a device saves a tensor of one number.
    private static long? NumberIn(StateMap map, string key)
    {
        if (!map.TryGetValue(key, out StateNode? node))
            return null;
        long? number = node switch
        {
            StateScalar { Value: long found } => found,
            StateTensor { Type: var type, Shape.Count: 0 } tensor when type == TensorType.I64 || type == TensorType.I32 => Whole(tensor),
            _ => null,
        };
        return number >= 0 ? number : null;

        static long Whole(StateTensor tensor)
        {
            Span<byte> bytes = stackalloc byte[(int)tensor.ByteLength];
            tensor.CopyTo(0, bytes);
            return bytes.Length == sizeof(int) ? BinaryPrimitives.ReadInt32LittleEndian(bytes) : BinaryPrimitives.ReadInt64LittleEndian(bytes);
        }
    }

    /// <summary>The parts, in the order of their first keys; of two keys of one part the second goes to <c>context</c>.</summary>
    public static IReadOnlyDictionary<string, StateMap> Of(StateNode root)
    {
        ArgumentNullException.ThrowIfNull(root);
        var parts = new OrderedDictionary<string, StateMap>(StringComparer.Ordinal);
        if (root is not StateMap map)
        {
            parts.Add(Model, new StateMap { [Data] = root });
            return parts;
        }
        if (map.TryGetValue("state", out StateNode? state) && state is StateMap && map.TryGetValue("param_groups", out StateNode? groups) && groups is StateList)
        {
            parts.Add(Optimizer, map);
            return parts;
        }
        if (!map.Any(entry => PartOfKey.ContainsKey(entry.Key) && entry.Value is StateMap))
        {
            parts.Add(Model, map);
            return parts;
        }
        StateMap rest = [];
        foreach ((string key, StateNode node) in map)
        {
            if (PartOfKey.TryGetValue(key, out string? part) && !parts.ContainsKey(part))
                parts.Add(part, Whole(part, node as StateMap ?? OnlyMap(node) ?? new StateMap { [key] = node }));
            else
                rest.Add(key, node);
        }
        if (!parts.ContainsKey(Model) && rest.Any(entry => entry.Value is StateTensor && (entry.Key.Contains('.', StringComparison.Ordinal) || IsParameter(parts, entry.Key))))
        {
            parts = new([new(Model, Only(rest, node => node is StateTensor)), .. parts], StringComparer.Ordinal);
            rest = Only(rest, node => node is not StateTensor);
        }
        // What Cairn wrote into one file has its own part of that name.
        if (rest.Count > 0)
            parts.Add(Context, rest.Count == 1 && rest.TryGetValue(Context, out StateNode? context) && context is StateMap own ? own : rest);
        return parts;
    }

    // A model of one layer has names without a dot, and its optimizer knows them.
    private static bool IsParameter(OrderedDictionary<string, StateMap> parts, string name) => parts.TryGetValue(Optimizer, out StateMap? optimizer)
        && ((optimizer.TryGetValue("state", out StateNode? state) && state is StateMap states && states.ContainsKey(name))
            || (optimizer.TryGetValue("param_groups", out StateNode? groups) && groups is StateList list && list.OfType<StateMap>().Any(group => group.TryGetValue("params", out StateNode? names) && names is StateList own && own.Any(own => (own as StateScalar)?.Value is string said && said == name))));

    private static StateMap Whole(string part, StateMap state) => part == Optimizer && FlatOptimizer.TryUnflatten(state) is { } optimizer ? optimizer : state;

    private static StateMap Only(StateMap map, Func<StateNode, bool> isTaken)
    {
        StateMap taken = [];
        foreach ((string key, StateNode node) in map)
        {
            if (isTaken(node))
                taken.Add(key, node);
        }
        return taken;
    }

    private static StateMap? OnlyMap(StateNode node) => node is StateList { Count: 1 } list ? list[0] as StateMap : null;
}
