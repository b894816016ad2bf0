namespace Cairn.Policies;

/// <summary>A checkpoint that retention decides on.</summary>
/// <param name="Step">Its step.</param>
/// <param name="Bytes">Bytes of all its files. <see cref="Retention.WithinBytes"/> counts a file that several checkpoints share once.</param>
/// <param name="Metrics">The measurements of its step, by name.</param>
/// <param name="IsComplete">Whether it has a marker and was found good.</param>
/// <param name="CreatedAt">When it was committed.</param>
public sealed record RetainedCheckpoint(
    long Step, long Bytes, IReadOnlyDictionary<string, double> Metrics, bool IsComplete, DateTimeOffset CreatedAt)
{
    /// <summary>Those of its files that other copies have too.</summary>
    internal IReadOnlyList<SharedBytes> Shared { get; init; } = [];
}

/// <summary>Decides which checkpoints are worth keeping. Pure: the same checkpoints give the same answer.</summary>
public interface IRetentionPolicy
{
    /// <summary>The steps to keep.</summary>
    /// <param name="checkpoints">Complete checkpoints only, oldest step first.</param>
    /// <param name="protectedSteps">Steps that stay whatever the policy says, the newest among them. They need not be returned; a budget counts their bytes.</param>
    IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps);

    /// <summary>The rule in words, for example <c>the last 3</c>.</summary>
    string Describe { get; }

    /// <summary>Why the rule keeps each of the steps that it keeps, or lets one go that it would keep otherwise; for <c>cairn prune --explain</c>. By default <see cref="Describe"/> for those that it keeps.</summary>
    /// <inheritdoc cref="Keep"/>
    IReadOnlyDictionary<long, string> Explain(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps) => Keep(checkpoints, protectedSteps).ToDictionary(static step => step, _ => Describe);
}

/// <summary>Which of two checkpoints is the better one when their metrics are equal.</summary>
public enum EqualMetrics
{
    /// <summary>The newer one: it has seen more.</summary>
    PreferNewer,
    /// <summary>The older one: the newer one was no improvement.</summary>
    PreferOlder,
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
    public static IRetentionPolicy KeepBest(int count, string metric, bool higherIsBetter) => KeepBest(count, metric, higherIsBetter, EqualMetrics.PreferNewer);

    /// <summary>As above, and says which of equal ones is the better.</summary>
    /// <inheritdoc cref="KeepBest(int, string, bool)"/>
    public static IRetentionPolicy KeepBest(int count, string metric, bool higherIsBetter, EqualMetrics equal)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentException.ThrowIfNullOrWhiteSpace(metric);
        return new Selection($"the best {count} by {(higherIsBetter ? "highest" : "lowest")} {metric}", checkpoints => checkpoints
            .Where(checkpoint => checkpoint.Metrics.TryGetValue(metric, out double value) && !double.IsNaN(value))
            .OrderBy(checkpoint => higherIsBetter ? -checkpoint.Metrics[metric] : checkpoint.Metrics[metric])
            .ThenBy(checkpoint => equal == EqualMetrics.PreferNewer ? -checkpoint.Step : checkpoint.Step)
            .Take(count)
            .Concat(checkpoints.Where(checkpoint => !checkpoint.Metrics.ContainsKey(metric))));
    }

    /// <summary>Keeps the first checkpoint of every stretch of time, such as each six hours; the stretches begin at midnight UTC of the year 1 and so lie the same for every run.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="interval"/> is not positive.</exception>
    public static IRetentionPolicy KeepEach(TimeSpan interval)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(interval, TimeSpan.Zero);
        return new Selection($"the first of every {Quantities.Time(interval)}", checkpoints => checkpoints.GroupBy(checkpoint => checkpoint.CreatedAt.UtcTicks / interval.Ticks).Select(stretch => stretch.First()));
    }

    /// <summary>
    /// Keeps fewer and fewer the older they are: counted in stretches of <paramref name="steps"/>, the newest <paramref name="count"/>, of those up to twice as old every second, up to four times as old every fourth, and so on; of n
    /// checkpoints about count × log2(n / count) stay. Which go is decided by their steps alone, so it does not matter how often it is asked.
    /// </summary>
    /// <param name="steps">Steps between checkpoints.</param>
    /// <param name="count">How many stay of each age.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="steps"/> is below 1, or <paramref name="count"/> below 2.</exception>
    public static IRetentionPolicy KeepSpread(long steps, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 2);
        return new Selection($"fewer the older ({count} by {steps} steps)", checkpoints => checkpoints.Where(checkpoint => IsSpread(checkpoint.Step / steps, checkpoints[^1].Step / steps, count)));
    }

    // An even index stays twice as long as an odd one, a multiple of four four times as long, and so on: what is let go is never wanted again.
    private static bool IsSpread(long index, long newest, int count) => index == 0 || newest - index < (Int128)count << (int)long.TrailingZeroCount(index);

    /// <summary>Keeps those of which <paramref name="isKept"/> says so: one more reason to keep, as one of <see cref="Any"/>.</summary>
    /// <param name="isKept">Asked of each checkpoint.</param>
    /// <param name="describe">The rule in words, for example <c>those of Sundays</c>.</param>
    public static IRetentionPolicy KeepWhere(Func<RetainedCheckpoint, bool> isKept, string describe)
    {
        ArgumentNullException.ThrowIfNull(isKept);
        ArgumentException.ThrowIfNullOrWhiteSpace(describe);
        return new Selection(describe, checkpoints => checkpoints.Where(isKept));
    }

    /// <summary>Exempts checkpoints from a policy, also from a budget of bytes, in which they count.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="isExempt">Asked of each checkpoint.</param>
    /// <param name="describe">Those that are exempt in words, for example <c>releases</c>.</param>
    public static IRetentionPolicy Exempt(IRetentionPolicy policy, Func<RetainedCheckpoint, bool> isExempt, string describe)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(isExempt);
        ArgumentException.ThrowIfNullOrWhiteSpace(describe);
        return new Exemption(policy, isExempt, describe);
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

        public IReadOnlyDictionary<long, string> Explain(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps) =>
            policies.SelectMany(policy => policy.Explain(checkpoints, protectedSteps)).GroupBy(reason => reason.Key, reason => reason.Value).ToDictionary(step => step.Key, step => string.Join("; ", step));
    }

    private sealed class Exemption(IRetentionPolicy policy, Func<RetainedCheckpoint, bool> isExempt, string describe) : IRetentionPolicy
    {
        public string Describe => $"{policy.Describe}, and {describe}";

        public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps)
        {
            long[] exempt = [.. Exempt(checkpoints)];
            return new HashSet<long>([.. policy.Keep(checkpoints, new HashSet<long>([.. protectedSteps, .. exempt])), .. exempt]);
        }

        public IReadOnlyDictionary<long, string> Explain(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps)
        {
            long[] exempt = [.. Exempt(checkpoints)];
            var reasons = new Dictionary<long, string>(policy.Explain(checkpoints, new HashSet<long>([.. protectedSteps, .. exempt])));
            foreach (long step in exempt)
                reasons[step] = describe;
            return reasons;
        }

        private IEnumerable<long> Exempt(IReadOnlyList<RetainedCheckpoint> checkpoints) => checkpoints.Where(isExempt).Select(checkpoint => checkpoint.Step);
    }

    private sealed class Budget(long budget, IRetentionPolicy kept) : IRetentionPolicy
    {
        public string Describe => $"{kept.Describe}, within {budget} bytes";

        public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps)
        {
            HashSet<long> steps = [.. kept.Keep(checkpoints, protectedSteps), .. protectedSteps];
            var bytes = new DistinctBytes();
            foreach (RetainedCheckpoint checkpoint in checkpoints.Where(checkpoint => steps.Contains(checkpoint.Step)))
                bytes.Add(checkpoint.Bytes, checkpoint.Shared);
            foreach (RetainedCheckpoint oldest in checkpoints)
            {
                if (bytes.Total <= budget)
                    break;
                if (!protectedSteps.Contains(oldest.Step) && steps.Remove(oldest.Step))
                    bytes.Remove(oldest.Bytes, oldest.Shared);
            }
            return steps;
        }

        public IReadOnlyDictionary<long, string> Explain(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps)
        {
            IReadOnlySet<long> steps = Keep(checkpoints, protectedSteps);
            return kept.Explain(checkpoints, protectedSteps).ToDictionary(reason => reason.Key, reason => steps.Contains(reason.Key) ? reason.Value : $"over {Quantities.Bytes(budget)} in all");
        }
    }
}
