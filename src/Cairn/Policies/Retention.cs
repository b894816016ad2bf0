namespace Cairn.Policies;

/// <summary>A checkpoint that retention decides on.</summary>
/// <param name="Step">Its step.</param>
/// <param name="Bytes">Bytes of all its files.</param>
/// <param name="Metrics">The measurements of its step, by name.</param>
/// <param name="IsComplete">Whether it has a marker and was found good.</param>
/// <param name="CreatedAt">When it was committed.</param>
public sealed record RetainedCheckpoint(
    long Step, long Bytes, IReadOnlyDictionary<string, double> Metrics, bool IsComplete, DateTimeOffset CreatedAt);

/// <summary>Decides which checkpoints are worth keeping. Pure: the same checkpoints give the same answer.</summary>
public interface IRetentionPolicy
{
    /// <summary>The steps to keep.</summary>
    /// <param name="checkpoints">Complete checkpoints only, oldest step first.</param>
    /// <param name="protectedSteps">Steps that stay whatever the policy says, the newest among them. They need not be returned; a budget counts their bytes.</param>
    IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps);

    /// <summary>The rule in words, for example <c>the last 3</c>.</summary>
    string Describe { get; }
}

/// <summary>The retention policies.</summary>
public static class Retention
{
    /// <summary>Keeps every checkpoint.</summary>
    public static IRetentionPolicy KeepAll { get; } = new Selection("all", static checkpoints => checkpoints);

    /// <summary>Keeps the last <paramref name="count"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is below 2: with one, the only older copy goes as soon as a newer
    /// one is committed, and if that cannot be read on resume nothing is left.</exception>
    public static IRetentionPolicy KeepLast(int count)
    {
        if (count < 2)
        {
            throw new ArgumentOutOfRangeException(nameof(count), count,
                "Keep at least the last 2 checkpoints: with fewer, nothing is left to resume from when the newest turns out to be unreadable.");
        }
        return new Selection($"the last {count}", checkpoints => checkpoints.TakeLast(count));
    }

    /// <summary>Keeps the checkpoints whose step is a multiple of <paramref name="steps"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is below 1.</exception>
    public static IRetentionPolicy KeepEvery(long steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        return new Selection(steps == 1 ? "every step" : $"every multiple of {steps} steps", checkpoints => checkpoints.Where(checkpoint => checkpoint.Step % steps == 0));
    }

    /// <summary>
    /// Keeps the best <paramref name="count"/> by a metric; of equal ones the newer is better, and NaN is the worst. A checkpoint without the metric cannot be compared
    /// with the others, so it is kept besides: a name that is misspelled or not yet set retires nothing.
    /// </summary>
    /// <exception cref="ArgumentException"><paramref name="count"/> is below 1 or the metric's name is empty.</exception>
    public static IRetentionPolicy KeepBest(int count, string metric, bool higherIsBetter)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentException.ThrowIfNullOrWhiteSpace(metric);
        return new Selection($"the best {count} by {(higherIsBetter ? "highest" : "lowest")} {metric}", checkpoints => checkpoints
            .Where(checkpoint => checkpoint.Metrics.TryGetValue(metric, out double value) && !double.IsNaN(value))
            .OrderBy(checkpoint => higherIsBetter ? -checkpoint.Metrics[metric] : checkpoint.Metrics[metric])
            .ThenByDescending(checkpoint => checkpoint.Step)
            .Take(count)
            .Concat(checkpoints.Where(checkpoint => !checkpoint.Metrics.ContainsKey(metric))));
    }

    /// <summary>
    /// Keeps what <paramref name="kept"/> keeps (by default everything) as far as it fits into <paramref name="budget"/> bytes; the oldest go first.
    /// Protected checkpoints stay even above the budget, and count. Wrap the other policies in this one to make the budget
    /// a limit; as one of <see cref="Any"/> it is only one more reason to keep.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="budget"/> is negative.</exception>
    public static IRetentionPolicy WithinBytes(long budget, IRetentionPolicy? kept = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(budget);
        return new Budget(budget, kept ?? KeepAll);
    }

    /// <summary>Keeps what any of these keeps; everything when there is none.</summary>
    public static IRetentionPolicy Any(params IReadOnlyList<IRetentionPolicy> policies)
    {
        ArgumentNullException.ThrowIfNull(policies);
        return policies.Count switch { 0 => KeepAll, 1 => policies[0], _ => new Union([.. policies]) };
    }

    private sealed class Selection(string describe, Func<IReadOnlyList<RetainedCheckpoint>, IEnumerable<RetainedCheckpoint>> select) : IRetentionPolicy
    {
        public string Describe => describe;

        public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps) =>
            select(checkpoints).Select(checkpoint => checkpoint.Step).ToHashSet();
    }

    private sealed class Union(IRetentionPolicy[] policies) : IRetentionPolicy
    {
        public string Describe => string.Join(" and ", policies.Select(policy => policy.Describe));

        public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps) =>
            policies.SelectMany(policy => policy.Keep(checkpoints, protectedSteps)).ToHashSet();
    }

    private sealed class Budget(long budget, IRetentionPolicy kept) : IRetentionPolicy
    {
        public string Describe => $"{kept.Describe}, within {budget} bytes";

        public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps)
        {
            HashSet<long> steps = [.. kept.Keep(checkpoints, protectedSteps), .. protectedSteps];
            Int128 bytes = 0;
            foreach (RetainedCheckpoint checkpoint in checkpoints)
                bytes += steps.Contains(checkpoint.Step) ? checkpoint.Bytes : 0;
            foreach (RetainedCheckpoint oldest in checkpoints)
            {
                if (bytes <= budget)
                    break;
                if (!protectedSteps.Contains(oldest.Step) && steps.Remove(oldest.Step))
                    bytes -= oldest.Bytes;
            }
            return steps;
        }
    }
}
