using Cairn.Policies;

namespace Cairn.Extensions.Tests;

// save policy begins
/// <summary>Often while the loss still falls quickly, rarely later: at every power of two up to a limit, then at its multiples.</summary>
public sealed class DoublingPolicy(long limit) : ISavePolicy
{
    public string Describe => $"at powers of two up to {limit}, then every {limit} steps";

    // A batch that was skipped makes no step, and a step may be passed over: compare with the last question.
    public bool IsDue(in SavePoint point) => NextAfter(point.PreviousStep) <= point.Step;

    private long NextAfter(long step)
    {
        long due = 1;
        while (due <= step && due < limit)
            due = Math.Min(limit, due * 2);
        return due > step ? due : (step / limit + 1) * limit;
    }
}
// save policy ends

// retention policy begins
/// <summary>Keeps one checkpoint of each day, the newest, and the last few.</summary>
public sealed class DailyRetention(int last) : IRetentionPolicy
{
    public string Describe => $"the newest of each day, and the last {last}";

    public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps) =>
        checkpoints.GroupBy(checkpoint => checkpoint.CreatedAt.UtcDateTime.Date).Select(day => day.Max(checkpoint => checkpoint.Step))
            .Concat(checkpoints.TakeLast(last).Select(checkpoint => checkpoint.Step)).ToHashSet();
}
// retention policy ends
