namespace Cairn.TensorBoard;

/// <summary>The curves of a run by their tags, the same while it trains and when it is exported. Nothing that is not finite is left out: TensorBoard marks it.</summary>
internal static class RunScalars
{
    public const string Loss = "train/loss", LeastLoss = "train/loss_min", MostLoss = "train/loss_max", LearningRate = "train/learning_rate", TokensPerSecond = "train/tokens_per_second", SecondsPerBatch = "train/seconds_per_batch";
    public const string SaveStall = "cairn/save/stall_seconds", SaveRecoverable = "cairn/save/recoverable_seconds", SaveDurable = "cairn/save/durable_seconds", SaveBytes = "cairn/save/bytes";

    /// <summary>What was measured.</summary>
    public static IEnumerable<Scalar> Of(Measurement measured)
    {
        bool isRange = measured.Batches > 1;
        (string, double?)[] values =
        [
            (Loss, measured.Loss), (LeastLoss, isRange ? measured.LeastLoss : null), (MostLoss, isRange ? measured.MostLoss : null), (LearningRate, measured.LearningRate),
            (TokensPerSecond, measured.TokensPerSecond), (SecondsPerBatch, measured.SecondsPerBatch),
        ];
        foreach ((string tag, double? value) in values)
        {
            if (value is { } number)
                yield return new Scalar(tag, measured.Step, measured.Time, number);
        }
        if (measured.Metrics is null)
            yield break;
        foreach ((string metric, double value) in measured.Metrics)
            yield return new Scalar(metric, measured.Step, measured.Time, value);
    }

    /// <summary>A save that made a copy.</summary>
    /// <param name="step">The copy's step.</param>
    /// <param name="time">When it ended.</param>
    /// <param name="isDurable">Whether the copy is durable; otherwise it is recoverable.</param>
    /// <param name="duration">From the decision until then.</param>
    /// <param name="first">How long training waited, and the bytes; <see langword="null"/> when it was reported as recoverable before.</param>
    public static IEnumerable<Scalar> OfSave(long step, DateTimeOffset time, bool isDurable, TimeSpan duration, (TimeSpan Stall, long Bytes)? first)
    {
        if (first is var (stall, bytes))
        {
            yield return new Scalar(SaveStall, step, time, stall.TotalSeconds);
            yield return new Scalar(SaveBytes, step, time, bytes);
        }
        yield return new Scalar(isDurable ? SaveDurable : SaveRecoverable, step, time, duration.TotalSeconds);
    }
}
