using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Ranks.Planning;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tiers;
using Microsoft.Extensions.Logging;

namespace Cairn.Starting;

/// <summary>A copy of the run's own home that was read to its end and found good.</summary>
/// <param name="Entry">The copy.</param>
/// <param name="Identities">Its files, as they were before they were read, by name.</param>
internal sealed record VerifiedHome(CatalogEntry Entry, IReadOnlyDictionary<string, FileIdentity> Identities);

/// <summary>A run that is taken and resumed: what the start has found out and made, for all that follows.</summary>
internal sealed record StartedRun
{
    /// <summary>Where the run lives.</summary>
    public required IRunHome Home { get; init; }

    /// <summary>The right to write the run; on the first rank, where there is something that could be locked.</summary>
    public required ILease? Lease { get; init; }

    public required CheckpointOptions Options { get; init; }

    /// <summary>The counters, as they were restored.</summary>
    public required TrainState Train { get; init; }

    /// <summary>All parts, the counters last.</summary>
    public required IReadOnlyList<IStatePart> Parts { get; init; }

    /// <summary>The run, on the branch that it is trained on.</summary>
    public required RunRecord Record { get; init; }

    /// <summary>The best checkpoint of the line, the same on all ranks; <see langword="null"/> when there is none, or the options do not ask.</summary>
    public BestCheckpoint? Best { get; init; }

    /// <summary>What it was resumed from.</summary>
    public required ResumeReport Resume { get; init; }

    /// <summary>The copy of the run's own home that was read to its end and restored; <see langword="null"/> when nobody has read it, or it stands elsewhere.</summary>
    public VerifiedHome? Verified { get; init; }

    /// <summary>Whether the start opened a new branch.</summary>
    public required bool Forked { get; init; }

    public required RankGroup Ranks { get; init; }

    /// <summary>Which rank saves what.</summary>
    public required PlanExchange Plan { get; init; }

    /// <summary>What each part consisted of at the start, the measure of what is saved.</summary>
    public required PartContents Contents { get; init; }

    public required TimeProvider Time { get; init; }

    public required ILogger Logger { get; init; }

    /// <summary>The fast tier; <see langword="null"/> when there is none.</summary>
    public FastTier? Fast { get; init; }

    /// <summary>Copies of the line that stand in the fast tier and not at home, the same on all ranks.</summary>
    public IReadOnlyList<TieredCopy> Waiting { get; init; } = [];

    /// <summary>Whether the run is another process's by now: nothing of it may be written.</summary>
    public bool IsLost => Lease is { IsLost: true };
}
