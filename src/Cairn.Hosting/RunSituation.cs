namespace Cairn.Hosting;

/// <summary>Where the training of a host stands.</summary>
internal enum RunPhase
{
    /// <summary>The host has not come to it.</summary>
    NotStarted,
    /// <summary>It is being built and resumed.</summary>
    Starting,
    /// <summary>It trains.</summary>
    Training,
    /// <summary>It has ended in order.</summary>
    Ended,
    /// <summary>An exception has ended it.</summary>
    Failed,
}

/// <summary>What is known of a run at one moment.</summary>
/// <param name="Phase">Where it stands.</param>
/// <param name="Since">Timestamp of when the state of the last durable copy was the present one; before there is one in this process, of the start.</param>
internal sealed record RunSituation(RunPhase Phase, long Since)
{
    /// <summary>Updates made.</summary>
    public long Step { get; init; }

    /// <summary>The step from which a restart goes on, if only what is durable counts.</summary>
    public long SafeStep { get; init; }

    /// <summary>The newest durable copy; <see langword="null"/> when there is none.</summary>
    public long? DurableStep { get; init; }

    /// <summary>Whether the run saves at all.</summary>
    public bool Saves { get; init; } = true;

    /// <summary>Whether a save has failed since the last that did not.</summary>
    public bool SaveFailed { get; init; }

    /// <summary>With what the last save, or the training, has failed.</summary>
    public Exception? Error { get; init; }
}
