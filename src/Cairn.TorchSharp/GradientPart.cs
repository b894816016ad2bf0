using Cairn.State;
using TorchSharp;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>
/// The gradients that wait for the optimizer while they are accumulated over several batches. Only those that exist are
/// saved. After a restore exactly those exist: others are removed, so that the optimizer skips the same parameters.
/// Needed only when checkpoints are taken between the batches of one step.
/// </summary>
/// <param name="module">The module whose parameters hold the gradients.</param>
/// <param name="name">The part's name.</param>
public sealed class GradientPart(torch.nn.Module module, string name = "gradients") : IStatePart
{
    private readonly torch.nn.Module _module = module ?? throw new ArgumentNullException(nameof(module));

    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <summary><see langword="true"/>: gradients come and go with each step of the optimizer.</summary>
    public bool MayShrink => true;

    /// <inheritdoc/>
    public StateMap Capture()
    {
        StateMap state = [];
        foreach ((string entry, Parameter parameter) in Parameters())
        {
            if (parameter.grad is { } gradient)
                state.Add(entry, new TorchTensor(gradient.DetachFromDisposeScope()));
        }
        return state;
    }

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        Dictionary<string, Parameter> parameters = Parameters().ToDictionary(entry => entry.Name, entry => entry.Parameter, StringComparer.Ordinal);
        foreach ((string entry, StateNode node) in saved)
        {
            if (parameters.TryGetValue(entry, out Parameter? parameter))
                SavedState.CheckTensor(node, entry, parameter.dtype, parameter.shape, problems);
        }
        saved.CheckUnexpected(parameters.ContainsKey, "", problems);
    }

    /// <inheritdoc/>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        foreach ((string entry, Parameter parameter) in Parameters())
        {
            using torch.Tensor? existing = parameter.grad;
            if (!saved.TryGetValue(entry, out StateNode? node))
            {
                parameter.grad = null;
                continue;
            }
            if (existing is not null)
            {
                TorchTensor.Fill(existing, (StateTensor)node);
                continue;
            }
            using IDisposable quiet = torch.no_grad();
            using torch.Tensor created = torch.empty_like(parameter);
            TorchTensor.Fill(created, (StateTensor)node);
            parameter.grad = created;
        }
    }

    // A tied parameter has one gradient, kept under its first name.
    private IEnumerable<(string Name, Parameter Parameter)> Parameters() =>
        ModuleTensors.Parameters(_module).DistinctBy(entry => TorchTensor.IdentityOf(entry.Parameter));
}
