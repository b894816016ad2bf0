using System.Globalization;

namespace TinyLm;

/// <summary>The words for the values of a <see cref="TrainingProgress"/>, the same in every culture.</summary>
public static class ProgressText
{
    public static string Loss(TrainingProgress progress) => progress.Loss.ToString("0.0000", CultureInfo.InvariantCulture);

    public static string LearningRate(TrainingProgress progress) => progress.LearningRate.ToString("0.00e+0", CultureInfo.InvariantCulture);

    public static string Speed(TrainingProgress progress) =>
        progress.TokensPerSecond.ToString("#,0", CultureInfo.InvariantCulture) + " tokens/s";

    public static string? Stall(TrainingProgress progress) =>
        progress.LastStall?.TotalMilliseconds.ToString("0.0 'ms'", CultureInfo.InvariantCulture);

    /// <summary>All of it in one line; saves are left out until there is one.</summary>
    public static string Line(TrainingProgress progress)
    {
        var line = string.Create(
            CultureInfo.InvariantCulture,
            $"batch {progress.Batch}/{progress.TotalBatches}  step {progress.Step}  skipped {progress.Skipped}  loss {Loss(progress)}  lr {LearningRate(progress)}  {Speed(progress)}");
        line += progress.LastCheckpoint is { } checkpoint ? "  checkpoint " + checkpoint : "";
        line += progress.LastSnapshot is { } snapshot ? "  snapshot " + snapshot : "";
        return line + (Stall(progress) is { } stall ? "  stall " + stall : "");
    }
}
