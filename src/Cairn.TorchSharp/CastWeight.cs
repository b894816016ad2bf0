using Cairn.State;

namespace Cairn.TorchSharp;

/// <summary>A tensor that was saved in one type and loaded into another.</summary>
/// <param name="Name">Its name in the module.</param>
/// <param name="From">The type in the file.</param>
/// <param name="To">The type in the module.</param>
public readonly record struct CastWeight(string Name, TensorType From, TensorType To)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({From} to {To})";
}
