using Cairn.State;
using TorchSharp;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>
/// Parameters and persistent buffers of a module, by the names that PyTorch gives them. Tied weights (same memory, dtype,
/// shape and strides; on devices: the same tensor object) appear under each of their names as one tensor, so they are
/// stored once. Restoring writes into the existing memory, so ties and the optimizer's references stay.
/// Buffers registered with <c>persistent: false</c> are not saved, as in PyTorch.
/// </summary>
/// <param name="module">The module.</param>
/// <param name="name">The part's name.</param>
/// <param name="shards">For a job of many ranks: the parameters and buffers, by name, of which this rank holds only a shard. All others are whole and equal on all ranks that have them.</param>
public sealed class ModulePart(torch.nn.Module module, string name = "model", IReadOnlyDictionary<string, ShardExtent>? shards = null) : IStatePart
{
    private readonly torch.nn.Module _module = module ?? throw new ArgumentNullException(nameof(module));

    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <inheritdoc/>
    /// <exception cref="CheckpointException">The module has nothing to save: it was disposed, or is a <c>ModuleList</c> or <c>ModuleDict</c> by itself.</exception>
    public StateMap Capture()
    {
        StateMap state = [];
        Dictionary<(nint, TensorType, string), StateTensor> seen = [];
        // Running statistics are buffers, and change in each forward pass; so may what is frozen, as an average of other weights.
        HashSet<nint> buffers = [.. ModuleTensors.AllBuffers(_module).Select(TorchTensor.StorageOf)];
        foreach ((string entry, torch.Tensor tensor) in Tensors())
        {
            (nint, TensorType, string) identity = TorchTensor.IdentityOf(tensor);
            if (!seen.TryGetValue(identity, out StateTensor? live))
            {
                bool changesByItself = buffers.Count > 0 && buffers.Contains(TorchTensor.StorageOf(tensor));
                live = new TorchTensor(tensor) { ChangesOnlyInUpdate = tensor is Parameter { requires_grad: true } && !changesByItself, IsFrozen = tensor is Parameter { requires_grad: false } && !changesByItself };
                seen.Add(identity, live = shards is not null && shards.TryGetValue(entry, out ShardExtent? extent) && !extent.IsWhole ? new ShardTensor(live, extent) : live);
            }
            state.Add(entry, live);
        }
        return state.Count > 0 ? state : throw new CheckpointException(
            $"The module of the part '{Name}' ({_module.GetType().Name}) has no parameters and no buffers, so there is nothing to save. If it was disposed, dispose it after the manager. TorchSharp's ModuleList and ModuleDict give their modules only as a field of another module: pass that one.");
    }

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        HashSet<string> names = new(StringComparer.Ordinal);
        Dictionary<(nint, TensorType, string), (string Entry, StateTensor Tensor)> seen = [];
        foreach ((string entry, torch.Tensor tensor) in Tensors())
        {
            names.Add(entry);
            saved.CheckTensor(entry, entry, tensor.dtype, tensor.shape, problems);
            if (!saved.TryGetValue(entry, out StateNode? node) || node is not StateTensor found)
                continue;
            (nint, TensorType, string) identity = TorchTensor.IdentityOf(tensor);
            if (!seen.TryAdd(identity, (entry, found)) && !TensorBytes.AreSame(seen[identity].Tensor, found))
                problems.AddMismatched(entry, $"the values of {seen[identity].Entry}, with which it is tied", "other values");
        }
        saved.CheckUnexpected(names.Contains, "", problems);
    }

    /// <inheritdoc/>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        HashSet<(nint, TensorType, string)> written = [];
        new TensorFilling([.. Tensors().Where(own => written.Add(TorchTensor.IdentityOf(own.Tensor))).Select(own => (own.Tensor, (StateTensor)saved[own.Name]))]).Run();
    }

    private IEnumerable<(string Name, torch.Tensor Tensor)> Tensors() =>
        ModuleTensors.Parameters(_module).Select(entry => (entry.Name, (torch.Tensor)entry.Parameter))
            .Concat(ModuleTensors.Buffers(_module));
}
