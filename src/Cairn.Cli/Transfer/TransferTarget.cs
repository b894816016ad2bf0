using System.Diagnostics.CodeAnalysis;
using Cairn.Checkpoints;
using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Cli.Transfer;

/// <summary>How a copy stands towards a run that it is to be brought to.</summary>
internal enum Arrival
{
    /// <summary>It is not there.</summary>
    Missing,
    /// <summary>It is there, with the same content.</summary>
    There,
    /// <summary>One of its step is there, with other content.</summary>
    Differs,
    /// <summary>It is a snapshot, and would take the place of a newer one.</summary>
    Outdated,
}

/// <summary>The run that copies are brought to. It is looked at without a lock, and written under its lease.</summary>
internal sealed class TransferTarget : IDisposable
{
    // Of a copy without a marker, files up to this length are compared byte by byte: those that tell its step are small.
    private const int SmallBytes = 1 << 20;

    private readonly IRunHome _home;
    private CancellationTokenSource? _lost;
    private string? _lostTo;
    private ILease? _lease;
    // The run as it is known once the source's history is here.
    private RunRecord? _line;
    // What a copy shares with the one that was brought before it is not sent twice.
    private readonly FormerFiles _former = new();
    private ICopyPublisher? _publisher;

    private TransferTarget(string root, IRunHome home)
    {
        (Root, _home) = (root, home);
        Look();
    }

    /// <summary>The folder or address.</summary>
    public string Root { get; }

    public IRunFiles Files => _home.Files;

    /// <summary>What stands there.</summary>
    public Catalog Catalog { get; private set; }

    /// <summary>The run that is there; <see langword="null"/> when none is, or one of another program.</summary>
    public RunRecord? Record { get; private set; }

    /// <summary>Whether the record stands there, and was not rebuilt from the copies.</summary>
    public bool HasRecord { get; private set; }

    /// <summary>Looks at the run to write. Nothing is made.</summary>
    /// <exception cref="WrongUseException">It cannot take copies of this source.</exception>
    public static TransferTarget Open(string path, TransferSource source)
    {
        string full = CopyListing.FullPath(path);
        if (!RunStores.IsAddress(full) && File.Exists(full))
            throw new WrongUseException($"{full} is a file. Give the folder of a run.");
        if (PlacePath.IsOf(source.Files, full))
            throw new WrongUseException($"{full} is the run that it would be copied from. Give another folder or address.");
        IRunHome home = RunHome.Of(new CheckpointOptions { Folder = full });
        if (TransferSource.IsCopy(home.Files, full))
            throw new WrongUseException($"{full} is one copy. Give the folder of the run that it is in.");
        var target = new TransferTarget(full, home);
        target.CheckRun(source);
        return target;
    }

    /// <summary>Takes the run's lease, ends what a crash left there, and looks again.</summary>
    /// <exception cref="RunLockedException">A process writes the run.</exception>
    public CancellationToken Take(TransferSource source, Screen screen, CancellationToken cancellationToken)
    {
        _lost = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _lease = _home.Acquire(TimeProvider.System, RunLock.DefaultLease, screen.Error, Lose, cancellationToken);
        _home.Probe();
        _publisher = _home.Publisher(_lease);
        _publisher.Recover();
        Look();
        CheckRun(source);
        return _lost.Token;

        void Lose(string by)
        {
            _lostTo = by;
            _lost.Cancel();
        }
    }

    /// <summary>How a complete copy of the source stands.</summary>
    public Arrival ArrivalOf(IFileSource source, CatalogEntry entry)
    {
        Marker marker = entry.Marker!;
        CatalogEntry[] standing = [.. Catalog.Entries.Where(there => there.Kind == entry.Kind && there.Step == entry.Step && there.Marker is not null)];
        if (standing.Any(there => IsSame(source, entry, there)))
            return Arrival.There;
        if (standing.Length > 0)
            return Arrival.Differs;
        if (entry.Kind == SaveKind.Checkpoint)
            return Arrival.Missing;
        SnapshotSlot victim = SlotChoice.InOrder(Files, LineView.Of(BelongingHere(marker)))[0];
        return victim.Entry is { Marker: { } newer } && newer.Step > entry.Step && (_line is null || LineView.Of(_line).StandingOf(newer) == CopyStanding.OfLine) ? Arrival.Outdated : Arrival.Missing;
    }

    /// <summary>Brings a copy. The lease is held.</summary>
    public SavedCopy Bring(IFileSource source, CatalogEntry entry, bool readBack, Func<IFileSource, IFileSource> watched, CancellationToken cancellationToken)
    {
        SavedCopy copy = entry.Marker!.IsDerived
            ? UnmarkedTransfer.Run(source, entry, Record, _publisher!, readBack, watched, cancellationToken)
            : CopyTransfer.Run(source, entry, _publisher!, _former, readBack, watched, cancellationToken);
        Catalog = Catalog.Read(Files);
        return copy;
    }

    /// <summary>Whether somebody needs a copy of the target.</summary>
    public bool IsPinned(CatalogEntry entry) => CopyPins.Read(Files).Hold(entry);

    /// <summary>Removes a checkpoint.</summary>
    /// <returns>Whether it is gone: one that was pinned just now is not.</returns>
    public bool Retire(CatalogEntry entry)
    {
        bool isGone = _publisher!.Retire(entry.Step);
        Catalog = Catalog.Read(Files);
        return isGone;
    }

    /// <summary>Puts the record of the run.</summary>
    public void Put(RunRecord record)
    {
        _lease?.Check();
        record.Save(Files);
        (Record, HasRecord) = (record, true);
    }

    /// <summary>Makes the pointer to the best checkpoint say what is here.</summary>
    public void MendBest()
    {
        if (Record is not { } run || !HasRecord)
            return;
        BestCheckpoint? best = BestCopy.Of(Catalog.Read(Files).Entries, LineView.Of(run));
        if (best is null && !Files.FileExists(RunFolder.Best))
            return;
        _lease?.Check();
        BestPointer.Mend(Files, best);
    }

    /// <summary>Whether the lease was lost, which cancels what is under way.</summary>
    public bool IsLost => _lostTo is not null;

    /// <summary>What is thrown instead of a cancellation when the lease was lost.</summary>
    public CheckpointException Loss() => new RunLockLostException(_lostTo!) { Path = Root };

    public void Dispose()
    {
        _lease?.Dispose();
        _lost?.Dispose();
    }

    [MemberNotNull(nameof(Catalog))]
    private void Look()
    {
        Catalog = Catalog.Read(Files);
        Record = RunRecord.LoadOrRebuild(Files, Catalog, out bool isStored);
        HasRecord = isStored;
    }

    private Marker BelongingHere(Marker marker) => marker.IsDerived && Record is { } run ? marker with { Run = run.Id, Lineage = run.Lineage } : marker;

    private void CheckRun(TransferSource source)
    {
        _line = source.Run is { } other && (Record is null || RunKinship.Covers(other.Lineage, Record.Lineage)) ? other : Record;
        if (Record is { } here)
        {
            if (source.Run is not { } run)
                throw new WrongUseException($"{Root} holds the run {here.Id} of Cairn, and {source.Files.Root} is of another program. Give an empty folder or address.");
            if (here.Id != run.Id)
                throw new WrongUseException($"{Root} holds another run ({here.Id}) than {source.Files.Root} ({run.Id}). Give an empty folder or address, or one that holds the same run.");
            if (RunKinship.Contradiction(here.Lineage, run.Lineage) is { } branch)
                throw new WrongUseException($"{Root} and {source.Files.Root} hold the same run, but went different ways: branch {branch} is not the same in both. Give an empty folder or address.");
            return;
        }
        if (source.Run is not null && Catalog.Entries.Any(entry => entry.Marker is { IsDerived: true }))
            throw new WrongUseException($"{Root} holds copies of another program, and {source.Files.Root} is the run {source.Run.Id} of Cairn. Give an empty folder or address.");
    }

    private bool IsSame(IFileSource source, CatalogEntry entry, CatalogEntry there)
    {
        (Marker one, Marker other) = (entry.Marker!, there.Marker!);
        if (one.IsDerived != other.IsDerived)
            return false;
        if (!one.IsDerived)
            return one.Run == other.Run && one.Layout == other.Layout && one.Files.OrderBy(file => file.Name, StringComparer.Ordinal).SequenceEqual(other.Files.OrderBy(file => file.Name, StringComparer.Ordinal));
        IReadOnlyList<FileSystemEntry> files = UnmarkedTransfer.FilesOf(source, entry.Folder);
        return files.SequenceEqual(UnmarkedTransfer.FilesOf(Files, there.Folder))
            && files.Where(file => file.Length <= SmallBytes).All(file =>
                SmallFile.Read(source, $"{entry.Folder}/{file.Name}", SmallBytes).AsSpan().SequenceEqual(SmallFile.Read(Files, $"{there.Folder}/{file.Name}", SmallBytes)));
    }
}
