namespace Cairn.Ranks;

/// <summary>Ranks did not answer within the time-out. They died, stalled, or wait elsewhere.</summary>
public sealed class RankTimeoutException(string message) : CheckpointException(message)
{
    /// <summary>The ranks that did not answer, ascending.</summary>
    public required IReadOnlyList<int> Missing { get; init; }
    /// <summary>What was waited for.</summary>
    public required string Purpose { get; init; }
    /// <summary>How long this rank waited.</summary>
    public required TimeSpan Waited { get; init; }
    /// <inheritdoc/>
    public override bool IsTransient => true;

    /// <summary>With the usual message.</summary>
    /// <param name="self">The rank that waited.</param>
    /// <param name="purpose">What it waited for.</param>
    /// <param name="waited">How long.</param>
    /// <param name="missing">Who did not answer, ascending; with <paramref name="self"/> among them when the others gave up waiting for it.</param>
    public static RankTimeoutException Of(int self, string purpose, TimeSpan waited, IReadOnlyList<int> missing)
    {
        string who = missing.Count == 1 ? $"rank {missing[0]}" : $"ranks {List(missing)}";
        string what = missing.Contains(self)
            ? $"rank {self} came too late: the others gave up waiting for {who}"
            : $"rank {self} waited {waited.TotalSeconds:0.###} s for {who}";
        return new RankTimeoutException($"{purpose}: {what}. See the log of {(missing.Count == 1 ? "that rank" : "those ranks")} for a crash, a full machine or a stalled disk; if they are only slow, raise the time-out.")
        {
            Missing = missing,
            Purpose = purpose,
            Waited = waited,
            Rank = self,
        };
    }

    // A job may miss thousands; a message shows where they are, the property has all.
    private static string List(IReadOnlyList<int> ranks)
    {
        const int Shown = 32;
        return string.Join(", ", ranks.Take(Shown)) + (ranks.Count > Shown ? $" and {ranks.Count - Shown} more" : "");
    }
}

/// <summary>Another rank reported an error instead of taking part; <see cref="CheckpointException.Rank"/> says which.</summary>
public sealed class RankFailedException(string message) : CheckpointException(message)
{
    /// <summary>What failed.</summary>
    public required string Purpose { get; init; }
    /// <summary>The error in that rank's words.</summary>
    public required string Error { get; init; }
}

/// <summary>Ranks are at different places of the program: one makes another call than the first rank.</summary>
public sealed class RankOrderException(string message) : CheckpointException(message);
