using System.Runtime.InteropServices;

namespace Cairn.Cli.Reporting.Data;

/// <summary>What one window of batches measured, as a <c>metrics</c> line of the journal says.</summary>
/// <param name="Process">Which process of the run drew them, from 0.</param>
/// <param name="Batch">Batches drawn at its end.</param>
/// <param name="Step">Steps made at its end.</param>
/// <param name="Loss">The last loss; one that is no number, if there was any.</param>
/// <param name="Least">The least loss.</param>
/// <param name="Most">The highest loss.</param>
/// <param name="LearningRate">The last learning rate.</param>
/// <param name="Rate">Tokens, or where none were counted steps, per second.</param>
/// <param name="SlowestRate">The rate of its slowest batch.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct MetricPoint(int Process, long Batch, long Step, double? Loss, double? Least, double? Most, double? LearningRate, double? Rate, double? SlowestRate)
{
    /// <summary>Seconds that one of its batches took on average.</summary>
    public double? SecondsPerStep { get; init; }

    /// <summary>Batches that it stands for.</summary>
    public long Batches { get; init; }

    /// <summary>When it ended, as near as the line says.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>Whether <see cref="Rate"/> is tokens.</summary>
    public bool CountsTokens { get; init; }

    /// <summary>The run's own metrics by name; <see langword="null"/> for none.</summary>
    public IReadOnlyDictionary<string, double>? Metrics { get; init; }
}
