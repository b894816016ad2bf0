using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>
/// Tensors of the program's own by name, which belong to no module: averaged weights (EMA), a replay memory, running statistics. A resume expects the same names, types and shapes, and writes in place.
/// With <paramref name="mayChange"/> tensors may come, go and take other shapes from one save to the next, and a resume makes the dictionary what was saved.
/// </summary>
/// <param name="tensors">The tensors. The dictionary is read at each save; with <paramref name="mayChange"/> it owns them: a resume disposes those that it removes or replaces.</param>
/// <param name="name">The part's name.</param>
/// <param name="mayChange">Whether names and shapes may change between saves. What a resume makes lies where the tensor of that name lay, or on the CPU.</param>
/// <param name="scope">Whether all ranks of a job have the same tensors (the default), or each its own, such as a replay memory.</param>
public sealed class TensorsPart(IDictionary<string, torch.Tensor> tensors, string name = "tensors", bool mayChange = false, PartScope scope = PartScope.Shared) : IStatePart
{
    private readonly IDictionary<string, torch.Tensor> _tensors = tensors ?? throw new ArgumentNullException(nameof(tensors));

    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <inheritdoc/>
    public PartScope Scope { get; } = scope;

    /// <summary>Whether tensors may vanish or shrink.</summary>
    public bool MayShrink { get; } = mayChange;

    /// <inheritdoc/>
    public StateMap Capture()
    {
        StateMap state = [];
        foreach ((string entry, torch.Tensor tensor) in _tensors.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            state.Add(entry, new TorchTensor(tensor));
        return state;
    }

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        if (MayShrink)
        {
            foreach ((string entry, StateNode node) in saved)
            {
                if (node is not StateTensor)
                    problems.AddMismatched(entry, "a tensor", SavedState.Describe(node));
            }
            return;
        }
        foreach ((string entry, torch.Tensor tensor) in _tensors)
            saved.CheckTensor(entry, entry, tensor.dtype, tensor.shape, problems);
        saved.CheckUnexpected(_tensors.ContainsKey, "", problems);
    }

    /// <inheritdoc/>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        foreach (string gone in _tensors.Keys.Where(entry => !saved.ContainsKey(entry)).ToArray())
        {
            _tensors[gone].Dispose();
            _tensors.Remove(gone);
        }
        foreach ((string entry, StateNode node) in saved)
            Restore(entry, (StateTensor)node);
    }

    private void Restore(string entry, StateTensor saved)
    {
        bool isThere = _tensors.TryGetValue(entry, out torch.Tensor? existing);
        if (isThere && existing!.dtype.ToTensorType() == saved.Type && existing.shape.SequenceEqual(saved.Shape))
        {
            TorchTensor.Fill(existing, saved);
            return;
        }
        torch.Tensor made = torch.empty([.. saved.Shape], saved.Type.ToScalarType(), existing?.device).DetachFromDisposeScope();
        TorchTensor.Fill(made, saved);
        _tensors[entry] = made;
        existing?.Dispose();
    }
}
