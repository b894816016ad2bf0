using Cairn.Opening;
using Cairn.Policies;
using Cairn.Starting;

namespace Cairn.Running;

/// <summary>What each tier has got of the line that is trained.</summary>
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

        SavedTier Found(SaveKind kind) => new(copies.FirstOrDefault(entry =>
            entry.Kind == kind && entry.Step <= run.Train.Step && line.Holds(entry) && run.Resume.PassedOver.All(fault => fault.Folder != entry.Folder))?.Step, clock.Now);
    }

    public SavedTier Checkpoint { get; private set; }

    public SavedTier Snapshot { get; private set; }

    /// <summary>The newest copy's step; 0 when there is none.</summary>
    public long Newest => Math.Max(Checkpoint.LastStep ?? 0, Snapshot.LastStep ?? 0);

    /// <summary>A copy is durable.</summary>
    public void Add(SaveKind kind, long step)
    {
        var tier = new SavedTier(step, _clock.Now);
        if (kind == SaveKind.Checkpoint)
            Checkpoint = tier;
        else
            Snapshot = tier;
    }
}
