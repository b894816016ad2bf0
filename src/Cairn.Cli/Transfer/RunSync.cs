using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Cli.Verbs;
using Cairn.Cli.Verification;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Cli.Transfer;

/// <summary>
/// Brings what a run has and another place lacks, the oldest first, so that the target is a run that can be resumed at any moment. A copy that changes meanwhile is read again, one that
/// is damaged is passed over.
/// </summary>
/// <param name="source">The run.</param>
/// <param name="target">Where it goes.</param>
/// <param name="checkpointsOnly">Whether snapshots are left out.</param>
/// <param name="report">Hears of each copy once it is settled.</param>
internal sealed class RunSync(TransferSource source, TransferTarget target, bool checkpointsOnly, Action<SyncRow> report)
{
    public const string Copied = "copied", There = "there", Planned = "planned", Damaged = "damaged", Differs = "differs", PassedOver = "passed_over", Removed = "removed", Kept = "kept";

    private const int MostTries = 5;

    private readonly List<SyncRow> _rows = [];

    /// <summary>What became of each copy, in the order in which they were looked at.</summary>
    public IReadOnlyList<SyncRow> Rows => _rows;

    /// <summary>What stood in the way and was moved or given up.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Says what <see cref="Run"/> would do. Sizes are looked at, no bytes are read.</summary>
    public void Plan()
    {
        foreach (CatalogEntry entry in InOrder())
            Settle(Known(entry) ?? RowOf(entry, Planned));
    }

    /// <summary>Brings the copies, and with the first of them the record of the run.</summary>
    /// <param name="screen">For progress.</param>
    /// <param name="readBack">Whether what arrived is read back.</param>
    /// <param name="cancellationToken">Gives up between two blocks; what was brought is there.</param>
    public void Run(Screen screen, bool readBack, CancellationToken cancellationToken)
    {
        CatalogEntry[] entries = [.. InOrder()];
        long bytes = entries.Where(entry => Known(entry) is null).Sum(BytesOf);
        using var progress = new ProgressLine(screen, "sync", bytes * (readBack ? 2 : 1));
        foreach (CatalogEntry entry in entries)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Settle(Brought(entry, readBack, files => new MeteredFileSource(files, progress.Add), cancellationToken));
        }
    }

    /// <summary>Removes, or names, the checkpoints that the source has no more: never the newest good one, no snapshot, and nothing that is incomplete.</summary>
    public void RemoveOthers(bool isDryRun, CancellationToken cancellationToken)
    {
        HashSet<long> kept = [.. source.Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step)];
        CatalogEntry[] others = [.. target.Catalog.Entries.Where(entry => entry is { Kind: SaveKind.Checkpoint, Marker: not null } && !kept.Contains(entry.Step)).OrderBy(entry => entry.Step)];
        if (others.Length == 0)
            return;
        // Read to its end: what is left must not turn out to be nothing.
        CatalogEntry? good = target.Catalog.Entries.FirstOrDefault(entry =>
            entry.Marker is { IsWeightsOnly: false } && (target.Record is not { } run || LineView.Of(run).Holds(entry)) && Verifier.Verify(target.Files, entry, cancellationToken) is null);
        foreach (CatalogEntry entry in others)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (good is null || (entry.Kind, entry.Step) == (good.Kind, good.Step))
            {
                Settle(RowOf(entry, Kept) with { Why = good is null ? "no good copy would be left" : "the newest good copy of the target" });
                continue;
            }
            SyncRow row = RowOf(entry, Removed);
            if (target.IsPinned(entry) || (!isDryRun && !target.Retire(entry)))
                row = RowOf(entry, Kept) with { Why = "somebody needs it (cairn keep)" };
            Settle(row);
        }
    }

    private IEnumerable<CatalogEntry> InOrder() => source.Entries.Where(entry => !checkpointsOnly || entry.Kind == SaveKind.Checkpoint).OrderBy(entry => entry.Step).ThenBy(entry => entry.Kind);

    // Null for a copy that has to be brought.
    private SyncRow? Known(CatalogEntry entry)
    {
        if (entry.Fault is { } fault)
        {
            return source.IsUnderWay(entry) ? RowOf(entry, PassedOver) with { Why = "it is being saved or removed" }
                : fault.IsTransient ? null
                : RowOf(entry, Damaged) with { Why = CopyListing.Within(entry.Folder, fault) };
        }
        if (source.Run is { } run && LineView.Of(run).StandingOf(entry) == CopyStanding.OfOtherRun)
            return RowOf(entry, PassedOver) with { Why = "it belongs to another run" };
        return target.ArrivalOf(source.Files, entry) switch
        {
            Arrival.There => RowOf(entry, There),
            Arrival.Differs => RowOf(entry, Differs) with { Why = $"the target has one of this step with other content{(entry.Kind == SaveKind.Checkpoint ? "; cairn cp --force replaces it" : "")}" },
            Arrival.Outdated => RowOf(entry, PassedOver) with { Why = "the target has newer snapshots" },
            _ => null,
        };
    }

    private SyncRow Brought(CatalogEntry entry, bool readBack, Func<IFileSource, IFileSource> watched, CancellationToken cancellationToken)
    {
        for (int tries = 1; ; tries++)
        {
            try
            {
                if (Known(entry) is { } known)
                    return known;
                if (entry.Fault is { IsTransient: true })
                    throw entry.Changed();
                SavedCopy copy = target.Bring(source.Files, entry, readBack, watched, cancellationToken);
                Notes.AddRange(copy.Notes);
                if (!target.HasRecord && source.Run is { } run)
                    target.Put(run);
                return RowOf(entry, Copied);
            }
            catch (CorruptCheckpointException e)
            {
                return RowOf(entry, Damaged) with { Why = e.Message };
            }
            catch (CopyChangedException)
            {
                if (tries == MostTries || source.Again(entry) is not { } now)
                    return RowOf(entry, PassedOver) with { Why = "the training has replaced or removed it meanwhile" };
                entry = now;
            }
        }
    }

    private void Settle(SyncRow row)
    {
        _rows.Add(row);
        report(row);
    }

    private static SyncRow RowOf(CatalogEntry entry, string state) => new(entry.Folder, entry.Step, RunView.KindOf(entry), state, BytesOf(entry), null);

    private static long BytesOf(CatalogEntry entry) => (entry.Marker ?? entry.Written)?.Bytes ?? 0;
}
