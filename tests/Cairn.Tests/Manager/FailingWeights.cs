using Cairn.State;

namespace Cairn.Tests.Manager;

/// <summary>Weights that cannot be captured while told so.</summary>
internal sealed class FailingWeights : IStatePart
{
    readonly WeightsPart _inner = new();
    public bool Fails { get; set; }
    public string Name => _inner.Name;
    public StateMap Capture() => Fails ? throw new InvalidOperationException("no memory") : _inner.Capture();
    public void Check(StateMap saved, RestoreProblems problems) => _inner.Check(saved, problems);
    public void Restore(StateMap saved) => _inner.Restore(saved);
}
