using System.Runtime.InteropServices;

namespace Cairn.TensorBoard;

/// <summary>What a window of batches measured, up to a step.</summary>
/// <param name="Time">When it ended.</param>
/// <param name="Step">Steps made at its end.</param>
/// <param name="Batches">Batches that it stands for.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Measurement(DateTimeOffset Time, long Step, long Batches)
{
    /// <summary>The last loss, or one that is no number if there was any.</summary>
    public double? Loss { get; init; }

    /// <summary>The least loss; of a single batch it says nothing more than <see cref="Loss"/>.</summary>
    public double? LeastLoss { get; init; }

    /// <summary>The highest loss; as <see cref="LeastLoss"/>.</summary>
    public double? MostLoss { get; init; }

    public double? LearningRate { get; init; }

    public double? TokensPerSecond { get; init; }

    public double? SecondsPerBatch { get; init; }

    /// <summary>The run's own metrics by name; <see langword="null"/> for none.</summary>
    public IReadOnlyDictionary<string, double>? Metrics { get; init; }
}
