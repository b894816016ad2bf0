using Cairn.State;

namespace Cairn.Inspection;

/// <summary>How tensors are looked through.</summary>
internal sealed record InspectionOptions
{
    /// <summary>Blocks that are worked on at once; by default one for each processor.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
    /// <summary>Most bins of a histogram; 32 by default.</summary>
    public int Bins { get; init; } = 32;
    /// <summary>Hears of bytes that were read; called from several threads.</summary>
    public Action<long>? BytesRead { get; init; }
}

/// <summary>
/// Looks through the values of tensors, block by block on all processors. Memory does not grow with the tensors, and the results do not depend on
/// the number of threads.
/// </summary>
internal static class TensorInspector
{
    /// <summary>The statistics of each tensor, in the given order.</summary>
    /// <exception cref="CheckpointException">A tensor could not be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IReadOnlyList<TensorStatistics> Measure(IReadOnlyList<StateTensor> tensors, InspectionOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        InspectionOptions how = Checked(options);
        StatisticsJob[] jobs = [.. tensors.Select(tensor => new StatisticsJob(tensor, how.Bins))];
        BlockJob<StatisticsScratch>.RunAll(jobs, how.Threads, how.BytesRead, cancellationToken);
        return [.. jobs.Select(job => job.Result)];
    }

    /// <summary>The statistics of one tensor.</summary>
    /// <inheritdoc cref="Measure(IReadOnlyList{StateTensor}, InspectionOptions?, CancellationToken)"/>
    public static TensorStatistics Measure(StateTensor tensor, InspectionOptions? options = null, CancellationToken cancellationToken = default) =>
        Measure([tensor], options, cancellationToken)[0];

    /// <summary>Compares pairs of tensors of equal shapes, in the given order. Types may differ.</summary>
    /// <exception cref="ArgumentException">The shapes of a pair differ.</exception>
    /// <exception cref="CheckpointException">A tensor could not be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IReadOnlyList<TensorComparison> Compare(
        IReadOnlyList<(StateTensor Left, StateTensor Right)> pairs, InspectionOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        InspectionOptions how = Checked(options);
        foreach ((StateTensor left, StateTensor right) in pairs)
        {
            if (!left.Shape.SequenceEqual(right.Shape))
                throw new ArgumentException($"{left} and {right} cannot be compared: their shapes differ.", nameof(pairs));
        }
        // Equal bytes need no arithmetic, and a difference is mostly found in the first block: only pairs that differ are read whole for numbers.
        SameBytesJob[] same = [.. pairs.Select(pair => new SameBytesJob(pair.Left, pair.Right))];
        BlockJob<ComparisonScratch>.RunAll(same, how.Threads, how.BytesRead, cancellationToken);
        ComparisonJob[] different = [.. same.Where(job => !job.AreSame).Select(job => new ComparisonJob(job.Left, job.Right, job.BytesDone))];
        BlockJob<ComparisonScratch>.RunAll(different, how.Threads, how.BytesRead, cancellationToken);
        var results = new TensorComparison[same.Length];
        for (int i = 0, next = 0; i < results.Length; i++)
            results[i] = same[i].AreSame ? TensorComparison.Same(same[i].Left) : different[next++].Result;
        return results;
    }

    /// <summary>Compares two tensors of equal shape.</summary>
    /// <inheritdoc cref="Compare(IReadOnlyList{ValueTuple{StateTensor, StateTensor}}, InspectionOptions?, CancellationToken)"/>
    public static TensorComparison Compare(StateTensor left, StateTensor right, InspectionOptions? options = null, CancellationToken cancellationToken = default) =>
        Compare([(left, right)], options, cancellationToken)[0];

    private static InspectionOptions Checked(InspectionOptions? options)
    {
        options ??= new InspectionOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Bins, 1, nameof(options));
        return options;
    }
}
