using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>What to resume from, and what was passed over on the way to it.</summary>
/// <param name="Chosen">The newest good copy; <see langword="null"/> when there is none.</param>
/// <param name="PassedOver">The newer ones that are damaged or incomplete, each with its fault.</param>
/// <param name="Abandoned">Newer ones that belong to a branch that was left.</param>
internal sealed record ResumeChoice(CatalogEntry? Chosen, IReadOnlyList<CheckpointFault> PassedOver, IReadOnlyList<CatalogEntry> Abandoned);

/// <summary>Finds the newest good copy of a run over both tiers.</summary>
internal static class ResumeLadder
{
    /// <summary>Goes down from the highest step, and believes nothing that it has not verified.</summary>
    /// <param name="files">The run.</param>
    /// <param name="catalog">What stands in it.</param>
    /// <param name="run">Who the run is; copies of another run are passed over.</param>
    /// <param name="verifyHashes">Whether to read and hash every file, not only to look at sizes.</param>
    /// <param name="from">The highest step to look at, for going back on purpose.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="StoreException">A store did not answer what a candidate is. An older copy in its place would cost steps that were saved.</exception>
    /// <exception cref="CopyChangedException">A candidate was replaced or removed while it was read, by the training that writes the run. Read the catalog again.</exception>
    public static ResumeChoice Choose(
        IFileSource files, Catalog catalog, RunRecord run, bool verifyHashes, long from = long.MaxValue, CancellationToken cancellationToken = default) =>
        Choose(files, catalog, run, entry => verifyHashes ? Verifier.Verify(entry.Files, entry, cancellationToken) : null, from);

    /// <summary>As above, with another way to verify a copy whose marker and sizes are right.</summary>
    /// <param name="files">The run.</param>
    /// <param name="catalog">What stands in it.</param>
    /// <param name="run">Who the run is.</param>
    /// <param name="verify">Says what is wrong with a copy whose marker and sizes are right.</param>
    /// <param name="from">The highest step to look at.</param>
    /// <param name="parts">The parts that are asked for by name: a copy that has lost its optimizer is taken only for those that it has; <see langword="null"/> for all.</param>
    internal static ResumeChoice Choose(IFileSource files, Catalog catalog, RunRecord run, Func<CatalogEntry, CheckpointFault?> verify, long from = long.MaxValue, IReadOnlyCollection<string>? parts = null)
    {
        var line = LineView.Of(run);
        var passedOver = new List<CheckpointFault>();
        var abandoned = new List<CatalogEntry>();
        foreach (CatalogEntry entry in catalog.Entries)
        {
            if (entry.Step > from)
                continue;
            if (entry.Marker is { } marker)
            {
                switch (line.StandingOf(marker))
                {
                    case CopyStanding.OfOtherRun:
                        passedOver.Add(new CheckpointFault(entry.Folder, entry.Folder, $"it belongs to another run, {marker.Run}") { IsOfOtherRun = true });
                        continue;
                    case CopyStanding.LeftBehind:
                        abandoned.Add(entry);
                        continue;
                }
            }
            CheckpointFault? fault = entry.Fault ?? LackOf(entry, parts) ?? verify(entry);
            if (fault is { IsTransient: true })
                throw entry.Changed();
            if (fault is { IsUnanswered: true } && entry.Files is StoreFiles)
            {
                throw new StoreException($"{entry.Files.Root}: the copy in {entry.Folder}/ cannot be looked at now ({fault.Reason.TrimEnd('.')}). Nothing was changed, and no older copy was taken in its place. Start again when the store answers, or name an older copy in ResumeFrom.")
                {
                    Path = fault.Path,
                    IsTransient = true,
                };
            }
            if (fault is null)
                return new ResumeChoice(entry, passedOver, abandoned);
            passedOver.Add(fault with { Step = entry.Step == CatalogEntry.NoStep ? null : entry.Step });
        }
        return new ResumeChoice(null, passedOver, abandoned);
    }

    /// <summary>What a checkpoint that has lost its optimizer lacks of the parts that are asked for; <see langword="null"/> when nothing.</summary>
    internal static CheckpointFault? LackOf(CatalogEntry entry, IReadOnlyCollection<string>? parts) =>
        entry.Marker is not { IsWeightsOnly: true } marker || (parts is { Count: > 0 } && !marker.Dropped.Any(file => parts.Contains(file.Part, StringComparer.Ordinal))) ? null
            : new CheckpointFault(entry.Folder, entry.Folder, $"it has only weights: {marker.DroppedParts} went to save space. Say which parts to begin with: ResumeParts = [\"model\"]") { Lacks = true };
}
