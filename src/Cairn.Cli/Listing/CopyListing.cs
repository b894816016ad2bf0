using Cairn.Checkpoints;
using Cairn.Cli.Verification;
using Cairn.Layouts.InternLm;
using Cairn.Layouts.PyTorch;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Cli.Listing;

/// <summary>All copies in a folder, and which of them would be resumed.</summary>
/// <param name="Root">The folder.</param>
/// <param name="Copies">The copies, the highest step first.</param>
/// <param name="Resumed">What a restart would take; <see langword="null"/> when nothing, or when the program that wrote them is told where to resume.</param>
internal sealed record CopyListing(string Root, IReadOnlyList<ListedCopy> Copies, ListedCopy? Resumed)
{
    private const int MostTries = 5;

    /// <summary>The run of Cairn that it is.</summary>
    public RunView? Run { get; init; }
    /// <summary>The program that would resume, when it is not Cairn: <c>InternLM</c>, <c>the Trainer</c>.</summary>
    public string? ResumedBy { get; init; }

    /// <summary>The best checkpoint of the run's present line.</summary>
    public BestCheckpoint? Best { get; init; }

    /// <summary>Looks what stands in a run of Cairn and is no copy of its.</summary>
    public IReadOnlyList<LeftOver> FindLeftOver() => Run is null ? [] : LeftOver.In(Run.Files);

    /// <summary>Whether the path was that of one copy.</summary>
    public bool IsOne { get; init; }

    /// <summary>What would be resumed when some of the copies turned out to be damaged.</summary>
    /// <param name="checks">What was found about each copy; <see langword="null"/> where nobody looked.</param>
    public ListedCopy? ResumedAfter(IReadOnlyList<CopyCheck?> checks)
    {
        // The programs that do not verify take what they find.
        if (Run is null || Resumed is null)
            return Resumed;
        foreach ((ListedCopy copy, CopyCheck? check) in Copies.Zip(checks).SkipWhile(pair => pair.First != Resumed))
        {
            if (copy is { Fault: null, IsLeftBehind: false, WeightsOnly: null } && check is not { IsGood: false })
                return copy;
        }
        return null;
    }

    /// <summary>Bytes that <see cref="Verify"/> reads: of a file that copies share, once.</summary>
    public long BytesToVerify()
    {
        SharedFiles shared = Shared();
        var bytes = new DistinctBytes();
        foreach (ListedCopy copy in Copies)
            bytes.Add(CopyVerifier.BytesOf(copy), shared.Of(copy.Entry));
        return (long)bytes.Total;
    }

    /// <summary>Which files the copies share.</summary>
    public SharedFiles Shared() => SharedFiles.Among(Copies.Select(copy => copy.Entry).OfType<CatalogEntry>());

    /// <summary>Verifies the copies one by one. A run that is trained meanwhile replaces some: then what stands in their place is verified, and what is gone is left out.</summary>
    /// <returns>The listing of what was verified, and what was found about each.</returns>
    /// <exception cref="CopyChangedException">A copy was replaced again and again while it was read.</exception>
    public (CopyListing Listing, CopyCheck[] Checks) Verify(Action<long> read, CancellationToken cancellationToken, bool isStrict = false)
    {
        var verifier = new CopyVerifier(Root, read, isStrict, Shared());
        var copies = new List<ListedCopy>(Copies.Count);
        var checks = new List<CopyCheck>(Copies.Count);
        ListedCopy? resumed = Resumed;
        foreach (ListedCopy listed in Copies)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ListedCopy? copy = listed;
            CopyCheck? check = null;
            for (int tries = 1; copy is not null && check is null; tries++)
            {
                try
                {
                    copy = tries == 1 ? listed : Again(listed);
                    check = copy is null ? null : verifier.Verify(copy, cancellationToken);
                }
                catch (CopyChangedException) when (tries < MostTries)
                {
                }
            }
            if (listed == Resumed)
                resumed = copy;
            if (copy is null || check is null)
                continue;
            copies.Add(copy);
            checks.Add(check);
        }
        return (this with { Copies = copies, Resumed = resumed }, [.. checks]);
    }

    // What stands now in the place of a copy of a run; null when nothing does.
    private ListedCopy? Again(ListedCopy copy)
    {
        IFileSource files = PlacePath.Open(Root);
        if (!files.FolderExists(copy.Name))
            return null;
        CatalogEntry entry = copy.Kind == CopyKinds.Snapshot ? Catalog.Snapshot(files, copy.Name, copy.Slot) : CatalogEntry.At(files, copy.Name, SaveKind.Checkpoint, copy.Step ?? CatalogEntry.NoStep);
        return entry.Fault is { IsTransient: true } ? throw entry.Changed() : OfEntry(Run, Root, entry) with { Pins = [.. CopyPins.Read(files).Of(entry)] };
    }

    /// <summary>Lists a run of Cairn or InternLM, a folder of checkpoints of another program, or a folder or file that is one copy.</summary>
    /// <exception cref="CheckpointException">There is nothing at that path, or nothing that is known.</exception>
    public static CopyListing Read(string path)
    {
        string full = BestCopy.Resolved(FullPath(path));
        if (File.Exists(full))
        {
            return new CopyListing(Path.GetDirectoryName(full)!, [CopyRecognition.OfFile(new FileInfo(full))], null) { IsOne = true };
        }
        IFileSource files = PlacePath.Open(full);
        if (!files.FolderExists(""))
            throw new CheckpointException($"There is neither a folder nor a file {full}. Give the folder of a run or checkpoint, or a file.") { Path = full };
        if (OfCairn(full) is { } single)
            return single;
        if (RunView.TryOpen(files) is { } run)
            return OfRun(run);
        if (RunStores.IsAddress(full))
            throw new CheckpointException($"{full} is no run or checkpoint of Cairn. Those of other programs are listed in folders only.") { Path = full };
        var root = new DirectoryInfo(full);
        // What a step of XTuner holds are distributed checkpoints too, and not copies of their own.
        if (XTunerFolder.Find(files, "") is not null && CopyRecognition.OfFolder(root, root.Name) is { } step)
            return new CopyListing(root.Parent?.FullName ?? full, [step], null) { IsOne = true };
        ListedCopy[] copies = [.. InFolder(root).OrderByDescending(copy => copy.Step ?? -1).ThenBy(copy => copy.Kind, StringComparer.Ordinal).ThenBy(copy => copy.Name, StringComparer.Ordinal)];
        // Files that belong together are one copy; loose files of PyTorch are one each.
        if (copies.All(copy => copy.Kind == CopyKinds.File) && CopyRecognition.OfFolder(root, root.Name) is { } whole && (whole.Layout != CopyRecognition.Torch || copies.Length == 0))
            return new CopyListing(root.Parent?.FullName ?? full, [whole], null) { IsOne = true };
        if (copies.Length == 0)
            throw Unknown(full);
        (ListedCopy? resumed, string? by) = Resumable(copies);
        return new CopyListing(full, copies, resumed) { ResumedBy = by };
    }

    /// <summary>The one copy that a path stands for: itself, or what a restart of a run would take.</summary>
    /// <exception cref="CheckpointException">There is nothing complete at that path.</exception>
    public static ListedCopy One(string path)
    {
        CopyListing listing = Read(path);
        ListedCopy? copy = listing.IsOne ? listing.Copies[0] : listing.Resumed ?? listing.Copies.FirstOrDefault(copy => copy.Fault is null);
        return copy switch
        {
            null => throw new CheckpointException($"{path} holds no complete checkpoint. Try: cairn ls {path}") { Path = path },
            { Fault: { } fault } => throw new CorruptCheckpointException($"{path} cannot be used: {fault}. Try: cairn ls on its run") { Path = path },
            _ => copy,
        };
    }

    /// <summary>The path of the machine that is meant.</summary>
    public static string FullPath(string path)
    {
        const string Local = "local:";
        return PlacePath.Full(path.StartsWith(Local, StringComparison.Ordinal) ? path[Local.Length..] : path);
    }

    // A folder that is named by a step or slot in a run, or that holds a marker of Cairn under whatever name.
    private static CopyListing? OfCairn(string full)
    {
        string? parent = PlacePath.Parent(full);
        if (parent is null || PlacePath.Open(full).FileExists(RunFolder.Record))
            return null;
        string name = PlacePath.Name(full);
        bool isSlot = PlacePath.Name(parent) == RunFolder.Snapshots && PlacePath.Parent(parent) is not null;
        string root = isSlot ? PlacePath.Parent(parent)! : parent, folder = isSlot ? $"{RunFolder.Snapshots}/{name}" : name;
        IFileSource files = PlacePath.Open(root);
        CatalogEntry marked = Catalog.Snapshot(files, folder, isSlot && int.TryParse(name, out int slot) ? slot : null);
        bool isStep = RunFolder.IsStep(name, out long step) && !isSlot;
        bool isInRun = files.FileExists(RunFolder.Record) && (isStep || isSlot);
        if ((marked.Step == CatalogEntry.NoStep && !isInRun) || IsInternLm(files, folder))
            return null;
        if (marked.Fault is { IsTransient: true })
            throw marked.Changed();
        CatalogEntry named = isSlot ? marked : CatalogEntry.At(files, folder, SaveKind.Checkpoint, isStep ? step : marked.Step);
        ListedCopy copy = OfEntry(null, root, named.Marker is null && marked.Marker is not null ? marked : named);
        return new CopyListing(root, [copy], null) { IsOne = true };
    }

    private static bool IsInternLm(IFileSource files, string folder)
    {
        string[] names = [.. files.List(folder).Where(entry => !entry.IsFolder).Select(entry => entry.Name)];
        return !names.Contains(InternLmPlan.IndexName, StringComparer.Ordinal) && InternLmRecognition.IsCheckpoint(files, folder, names, out _);
    }

    private static CopyListing OfRun(RunView run)
    {
        // Reading a marker is a small read and a hash: for ten thousand of them it is worth all cores.
        Parallel.ForEach(run.Catalog.Entries, entry => _ = entry.Marker);
        if (run.Catalog.Entries.FirstOrDefault(entry => entry.Fault is { IsTransient: true }) is { } changed)
            throw changed.Changed();
        ResumeChoice choice = run.Choose(verifyHashes: false, default);
        var pins = CopyPins.Read(run.Files);
        ListedCopy[] copies = [.. run.Catalog.Entries.Select(entry => OfEntry(run, run.Files.Root, entry) with { Pins = [.. pins.Of(entry)] })];
        return new CopyListing(run.Files.Root, copies, copies.FirstOrDefault(copy => copy.Entry == choice.Chosen)) { Run = run, Best = BestCopy.Of(run.Catalog.Entries, LineView.Of(run.Record)) };
    }

    private static ListedCopy OfEntry(RunView? run, string root, CatalogEntry entry)
    {
        Marker? marker = entry.Marker ?? entry.Written;
        var copy = new ListedCopy(entry.Folder, marker?.Layout ?? "cairn", RunView.KindOf(entry))
        {
            Step = entry.Step == CatalogEntry.NoStep ? null : entry.Step,
            Slot = entry.Slot,
            Entry = entry,
            Fault = entry.Fault is { } fault ? Within(entry.Folder, fault) + Output.Units.AndMore(entry.Faults.Count) : null,
        };
        if (marker is { IsDerived: false })
        {
            copy = copy with
            {
                Reason = marker.Reason.ToString().ToLowerInvariant(),
                Time = marker.Time,
                Bytes = marker.Bytes,
                Files = marker.Files.Count,
                Branch = marker.Lineage.Current.Name,
            };
        }
        if (marker is null or { IsDerived: true } || copy.Fault is not null)
        {
            // A marker that was derived from another program's files has no time.
            FolderFiles found = RunStores.IsAddress(root) ? FolderFiles.Of(PlacePath.Open(root), entry.Folder) : FolderFiles.Of(new DirectoryInfo(Path.Join(root, entry.Folder)));
            copy = copy with { Bytes = found.Bytes, Files = found.Count, Time = copy.Time ?? found.Newest };
        }
        return run is null || marker is null ? copy : copy with
        {
            IsLeftBehind = copy.Fault is null && !run.IsOnLine(marker),
            IsOfOtherRun = run.StandingOf(marker) == CopyStanding.OfOtherRun,
        };
    }

    /// <summary>A fault in words; the row says which folder it is.</summary>
    public static string Within(string folder, CheckpointFault fault) =>
        fault.Path == folder ? fault.Reason : $"{(fault.Path.StartsWith(folder + "/", StringComparison.Ordinal) ? fault.Path[(folder.Length + 1)..] : fault.Path)}: {fault.Reason}";

    private static IEnumerable<ListedCopy> InFolder(DirectoryInfo root)
    {
        foreach (DirectoryInfo folder in root.EnumerateDirectories())
        {
            if (folder.Name == RunFolder.Snapshots)
            {
                foreach (DirectoryInfo slot in folder.EnumerateDirectories())
                {
                    if (CopyRecognition.OfFolder(slot, $"{RunFolder.Snapshots}/{slot.Name}") is { } snapshot)
                        yield return snapshot;
                }
            }
            else if (!folder.Name.StartsWith('.') && CopyRecognition.OfFolder(folder, folder.Name) is { } copy)
                yield return copy;
        }
        foreach (FileInfo file in root.EnumerateFiles())
        {
            if (CopyRecognition.InFolder(file) is { } copy)
                yield return copy;
        }
    }

    private static (ListedCopy? Resumed, string? By) Resumable(ListedCopy[] copies)
    {
        // InternLM takes the highest step that has a marker, and of two the checkpoint.
        if (copies.FirstOrDefault(copy => copy is { Layout: CopyRecognition.InternLm, Fault: null, Step: not null }) is { } internLm)
            return (internLm, "InternLM");
        // The Trainer takes the highest number, whatever is in the folder.
        return copies.FirstOrDefault(copy => copy is { Layout: CopyRecognition.HuggingFace, Kind: CopyKinds.Checkpoint }) is { } trainer ? (trainer, "The Trainer of transformers") : (null, null);
    }

    private static CheckpointException Unknown(string full) => new(
        $"{full} holds no run and no checkpoint that is known. Give the folder of a run, of its checkpoints, or a file of PyTorch or safetensors.")
    { Path = full };
}
