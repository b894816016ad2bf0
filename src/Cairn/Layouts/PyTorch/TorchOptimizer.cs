using System.Buffers.Binary;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>
/// Between the state of an optimizer by parameter name (<c>type</c>, <c>state</c>, <c>groups</c>, as an optimizer's part captures it) and what
/// <c>optimizer.state_dict()</c> of PyTorch 1.13 to 2.6 gives and <c>load_state_dict</c> takes:
/// <code>{"state": {0: {"step": tensor(5.), "exp_avg": …}}, "param_groups": [{"lr": 0.001, "betas": (0.9, 0.999), …, "params": [0, 1]}]}</code>
/// Parameters go by position: the order of the groups, and within a group that of its <c>params</c>. Adam, AdamW, SGD, RMSProp, Adagrad, Adadelta, Adamax, NAdam,
/// RAdam, ASGD and Rprop.
/// <list type="bullet">
/// <item><description><c>step</c>, and the numbers of ASGD and NAdam, are tensors of one F32, as PyTorch has them: above 2^24 steps are rounded, there as here.</description></item>
/// <item><description><c>initial_lr</c>, which a scheduler of PyTorch puts into each group, is kept; where it lacks it is <c>lr</c>.</description></item>
/// <item><description>How PyTorch computes (<c>foreach</c>, <c>fused</c>, <c>capturable</c>, <c>differentiable</c>) is not kept. An option that TorchSharp's optimizer lacks must be off.</description></item>
/// <item><description><c>param_names</c>, which PyTorch 2.6 keeps of named parameters, is compared: the name of another parameter is another order, and refused.
/// What schedulers leave in a group (<c>max_lr</c> and its like) is their own state, and left out.</description></item>
/// <item><description>A parameter that PyTorch keeps nothing for yet has the values of the start, and so has a buffer that PyTorch only makes with an option.</description></item>
/// </list>
/// </summary>
public static class TorchOptimizer
{
    /// <summary>The state as PyTorch's <c>load_state_dict</c> takes it. Tensors are not copied.</summary>
    /// <param name="optimizer">The captured state of an optimizer.</param>
    /// <exception cref="CheckpointException">PyTorch has no such optimizer, or the state is not that of an optimizer.</exception>
    public static TorchMap ToTorch(StateMap optimizer) => ToTorch(optimizer, byName: false);

    /// <summary>The state as <c>torch.distributed.checkpoint.state_dict</c> has it: as <see cref="ToTorch(StateMap)"/>, but parameters go by their names.</summary>
    /// <inheritdoc cref="ToTorch(StateMap)"/>
    internal static TorchMap ToTorchByName(StateMap optimizer) => ToTorch(optimizer, byName: true);

    private static TorchMap ToTorch(StateMap optimizer, bool byName)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (!optimizer.TryGetValue("type", out StateNode? node) || (node as StateScalar)?.Value is not string type
            || !optimizer.TryGetValue("state", out node) || node is not StateMap states
            || !optimizer.TryGetValue("groups", out node) || node is not StateList groups)
            throw new CheckpointException("This is not the state of an optimizer: it needs 'type', 'state' and 'groups'.") { Expected = "type, state, groups", Found = string.Join(", ", optimizer.Keys) };
        TorchOptimizerKind kind = TorchOptimizerKind.Find(type)
            ?? throw new CheckpointException($"PyTorch has no optimizer whose state is that of '{type}'. These can be written: {string.Join(", ", TorchOptimizerKind.Types)}.") { Found = type };
        var writer = new TorchOptimizerWriter(kind, byName);
        foreach (StateNode group in groups)
            writer.Add((StateMap)group, states);
        return writer.StateDict;
    }

    /// <summary>Whether a state has the form of PyTorch's <c>optimizer.state_dict()</c>.</summary>
    public static bool IsStateDict(StateMap state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state.Count == 2 && state.TryGetValue("state", out StateNode? states) && states is StateMap
            && state.TryGetValue("param_groups", out StateNode? groups) && groups is StateList;
    }

    /// <summary>The state by parameter name of what PyTorch's <c>optimizer.state_dict()</c> gave, read with <see cref="TorchTree.ToState(TorchValue)"/>.</summary>
    /// <param name="stateDict">The two maps <c>state</c> and <c>param_groups</c>.</param>
    /// <param name="type">The optimizer's name, which PyTorch's files do not hold: <c>AdamW</c>.</param>
    /// <param name="groups">The parameters in the optimizer's order, by group: name, type and shape.</param>
    /// <param name="problems">Takes what does not fit. Moments are not compared with the parameters' shapes here.</param>
    /// <returns>The state, or <see langword="null"/> when there were problems.</returns>
    /// <exception cref="CheckpointException">PyTorch has no such optimizer, or a tensor comes from a file that could not be read.</exception>
    public static StateMap? FromTorch(StateMap stateDict, string type, IReadOnlyList<IReadOnlyList<TorchOptimizerParameter>> groups, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(stateDict);
        ArgumentNullException.ThrowIfNull(groups);
        ArgumentNullException.ThrowIfNull(problems);
        TorchOptimizerKind kind = TorchOptimizerKind.Find(type)
            ?? throw new CheckpointException($"PyTorch has no optimizer whose state fits '{type}'. These can be read: {string.Join(", ", TorchOptimizerKind.Types)}.") { Found = type };
        return IsStateDict(stateDict)
            ? new TorchOptimizerReader(kind, (StateMap)stateDict["state"], problems).Read((StateList)stateDict["param_groups"], groups)
            : throw new CheckpointException("This is not what PyTorch's optimizer.state_dict() gives: it has the maps 'state' and 'param_groups' and nothing else.") { Expected = "state, param_groups", Found = string.Join(", ", stateDict.Keys) };
    }

    /// <summary>A number in PyTorch's files: an int, a float, or a tensor of one; <see langword="null"/> for anything else.</summary>
    internal static double? NumberIn(StateNode node)
    {
        switch (node)
        {
            case StateScalar { Value: long number }: return number;
            case StateScalar { Value: double number }: return number;
            case StateTensor { ByteLength: <= sizeof(double) } tensor when tensor.Shape.All(size => size == 1):
                Span<byte> bytes = stackalloc byte[sizeof(double)];
                bytes = bytes[..(int)tensor.ByteLength];
                tensor.CopyTo(0, bytes);
                return tensor.Type switch
                {
                    TensorType.F32 => BinaryPrimitives.ReadSingleLittleEndian(bytes),
                    TensorType.F64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
                    TensorType.I64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
                    TensorType.I32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
                    TensorType.F16 => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes),
                    TensorType.BF16 => BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(bytes) << 16),
                    _ => null,
                };
            default: return null;
        }
    }
}

/// <summary>A parameter that an optimizer updates.</summary>
/// <param name="Name">Its name in the model.</param>
/// <param name="Type">Its type, which its moments have too.</param>
/// <param name="Shape">Its shape.</param>
public readonly record struct TorchOptimizerParameter(string Name, TensorType Type, IReadOnlyList<long> Shape);
