namespace Cairn.Hosting;

/// <summary>When the health check <c>cairn</c> complains.</summary>
public sealed class CheckpointHealthOptions
{
    /// <summary>
    /// How old the state in the newest durable copy may be: with more, the run is unhealthy. Positive. Set it above the time between saves and the time of a save. Default 1 hour.
    /// </summary>
    public TimeSpan MaxAgeOfLastCopy { get; set; } = TimeSpan.FromHours(1);

    /// <summary>The age from which on the run is degraded. Positive. Default <see langword="null"/>: half of <see cref="MaxAgeOfLastCopy"/>.</summary>
    public TimeSpan? DegradedAge { get; set; }
}
