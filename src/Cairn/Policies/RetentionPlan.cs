namespace Cairn.Policies;

/// <summary>Which checkpoints to retire. Pure.</summary>
internal static class RetentionPlan
{
    /// <summary>
    /// The steps to retire, oldest first. Never among them: the newest complete checkpoint, the protected ones (what a
    /// resume or a save under way needs), and incomplete ones, which are left for inspection and count for no rule.
    /// </summary>
    /// <exception cref="ArgumentException">Two checkpoints have the same step.</exception>
    public static IReadOnlyList<long> Decide(IRetentionPolicy policy, IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(checkpoints);
        ArgumentNullException.ThrowIfNull(protectedSteps);
        if (checkpoints.DistinctBy(checkpoint => checkpoint.Step).Count() != checkpoints.Count)
            throw new ArgumentException("Two checkpoints have the same step; a step can be retired only when it names one checkpoint.", nameof(checkpoints));

        RetainedCheckpoint[] complete = [.. checkpoints.Where(checkpoint => checkpoint.IsComplete).OrderBy(checkpoint => checkpoint.Step)];
        if (complete.Length == 0)
            return [];
        HashSet<long> stay = [.. protectedSteps, complete[^1].Step];
        stay.UnionWith(policy.Keep(complete, new HashSet<long>(stay)));
        return [.. complete.Select(checkpoint => checkpoint.Step).Where(step => !stay.Contains(step))];
    }

    /// <summary>Why the policy keeps each of the steps that it keeps, or lets one go that it would keep otherwise.</summary>
    public static IReadOnlyDictionary<long, string> Explain(IRetentionPolicy policy, IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps)
    {
        RetainedCheckpoint[] complete = [.. checkpoints.Where(checkpoint => checkpoint.IsComplete).OrderBy(checkpoint => checkpoint.Step)];
        return complete.Length == 0 ? new Dictionary<long, string>() : policy.Explain(complete, new HashSet<long>([.. protectedSteps, complete[^1].Step]));
    }
}
