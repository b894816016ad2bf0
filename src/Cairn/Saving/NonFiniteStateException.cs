namespace Cairn.Saving;

/// <summary>A snapshot was not committed because its weights hold NaN or infinity.</summary>
public sealed class NonFiniteStateException(string tensor) : CheckpointException(
    $"The snapshot was not kept: the weights hold NaN or infinity, first in '{tensor}'. The snapshots before it stand; set RefuseNonFiniteSnapshots to false to save such state all the same.")
{
    /// <summary>The first tensor found.</summary>
    public string Tensor { get; } = tensor;
}
