using Cairn.Opening;
using Cairn.Policies;
using Cairn.Starting;
using Cairn.Tiers;

namespace Cairn.Running;

/// <summary>Which checkpoints and snapshots of the line that is trained there are: which count as saved, and which are durable.</summary>
internal sealed class SavedTiers
{
    private readonly SteadyClock _clock;

    /// <summary>What is complete by its marker: a step that has its copy is not saved again after a restart.</summary>
    public SavedTiers(StartedRun run, SteadyClock clock)
    {
        _clock = clock;
        var line = LineView.Of(run.Record);
        // The newest first, and no marker is read below the first one that counts.
        IReadOnlyList<CatalogEntry> copies = Catalog.Read(run.Home.Files).Entries;
        (Checkpoint, Snapshot) = (Found(SaveKind.Checkpoint), Found(SaveKind.Snapshot));
        (DurableCheckpoint, DurableSnapshot) = (Checkpoint.LastStep, Snapshot.LastStep);
        foreach (TieredCopy copy in run.Waiting.Where(copy => copy.Step <= run.Train.Step))
            Add(copy.Kind, copy.Step, isDurable: false);

        SavedTier Found(SaveKind kind) => new(copies.FirstOrDefault(entry =>
            entry.Kind == kind && entry.Step <= run.Train.Step && line.Holds(entry) && run.Resume.PassedOver.All(fault => fault.Folder != entry.Folder))?.Step, clock.Now);
    }

    /// <summary>The newest checkpoint, durable or recoverable.</summary>
    public SavedTier Checkpoint { get; private set; }

    /// <summary>The newest snapshot, durable or recoverable.</summary>
    public SavedTier Snapshot { get; private set; }

    /// <summary>The step of the newest durable checkpoint.</summary>
    public long? DurableCheckpoint { get; private set; }

    /// <summary>The step of the newest durable snapshot.</summary>
    public long? DurableSnapshot { get; private set; }

    /// <summary>The newest copy's step; 0 when there is none.</summary>
    public long Newest => Math.Max(Checkpoint.LastStep ?? 0, Snapshot.LastStep ?? 0);

    /// <summary>The newest step that is recoverable and not durable; 0 when there is none.</summary>
    public long Recoverable => Newest > Math.Max(DurableCheckpoint ?? 0, DurableSnapshot ?? 0) ? Newest : 0;

    /// <summary>There is a copy.</summary>
    public void Add(SaveKind kind, long step, bool isDurable)
    {
        SavedTier known = kind == SaveKind.Checkpoint ? Checkpoint : Snapshot;
        // What becomes durable was saved before.
        if (known.LastStep is null || known.LastStep < step || !isDurable)
            Set(kind, new SavedTier(step, _clock.Now));
        if (isDurable && kind == SaveKind.Checkpoint)
            DurableCheckpoint = Math.Max(DurableCheckpoint ?? 0, step);
        else if (isDurable)
            DurableSnapshot = Math.Max(DurableSnapshot ?? 0, step);
    }

    /// <summary>A copy that was recoverable is not any more, and never became durable.</summary>
    public void Lose(SaveKind kind, long step)
    {
        SavedTier known = kind == SaveKind.Checkpoint ? Checkpoint : Snapshot;
        if (known.LastStep == step)
            Set(kind, known with { LastStep = kind == SaveKind.Checkpoint ? DurableCheckpoint : DurableSnapshot });
    }

    private void Set(SaveKind kind, SavedTier tier)
    {
        if (kind == SaveKind.Checkpoint)
            Checkpoint = tier;
        else
            Snapshot = tier;
    }
}
