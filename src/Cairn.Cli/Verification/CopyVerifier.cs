using System.Collections.Concurrent;
using Cairn.Checkpoints;
using Cairn.Cli.Listing;
using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.Inspection;
using Cairn.Layouts;
using Cairn.Layouts.PyTorch;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;
using InternLmCheckpoint = Cairn.Layouts.InternLm.InternLmCheckpoint;

namespace Cairn.Cli.Verification;

/// <summary>Reads every byte of a copy and says whether it is good, as far as its format lets anybody know.</summary>
/// <param name="root">The folder that the copies are in.</param>
/// <param name="read">Hears of bytes that were read, from any thread.</param>
/// <param name="isStrict">Whether it is a fault when an index and the files disagree.</param>
/// <param name="shared">Which files the copies share, each of which is then read once; <see langword="null"/> to read all.</param>
internal sealed class CopyVerifier(string root, Action<long> read, bool isStrict = false, SharedFiles? shared = null)
{
    private const int FilesAtOnce = 8, MostUnread = 20;

    private readonly IFileSource _files = PlacePath.Open(root);
    private readonly SharedFiles _shared = shared ?? SharedFiles.None;

    /// <summary>Bytes that <see cref="Verify"/> reads.</summary>
    public static long BytesOf(ListedCopy copy) =>
        copy.Entry is { Written: not null } entry ? Verifier.OfRightSize(entry).Sum(file => file.Length) : IsHopeless(copy) ? 0 : copy.Bytes;

    /// <summary>Verifies one copy.</summary>
    /// <exception cref="CopyChangedException">The copy was replaced or removed meanwhile, by the training that writes its run.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public CopyCheck Verify(ListedCopy copy, CancellationToken cancellationToken) =>
        copy.Entry is { Written: not null } entry ? OfCairn(entry, cancellationToken) : OfOthers(copy, cancellationToken);

    private CopyCheck OfCairn(CatalogEntry entry, CancellationToken cancellationToken)
    {
        string[] @checked = ["sizes", "hashes", "format", "ownership"];
        using HeldCopy? held = entry.Hold(_files);
        IFileSource files = held ?? _files;
        IReadOnlyList<CheckpointFault> faults = Verifier.FaultsOf(new MeteredFileSource(files, read), entry, _shared, cancellationToken);
        if (faults.Count > 0)
            return new CopyCheck([.. faults.Select(fault => FaultOf(entry, Within(entry.Folder, fault.Path), fault.Reason))], 0, @checked[..2], []);
        Marker marker = entry.Marker!;
        // Right bytes may still be no checkpoint: every part is put together, and so every element of every tensor finds its one owner.
        return Loaded(entry.Folder, () => CheckpointLayouts.Of(marker.Layout).Open(files, entry.Folder, marker.Files.Select(file => file.Name)), @checked, [], cancellationToken);
    }

    private CopyFault FaultOf(CatalogEntry entry, string? file, string reason) =>
        new(file, reason) { SharedWith = file is not null && _shared.Others(entry, file) is { Count: > 0 } others ? [.. others.Select(other => other.Folder)] : null };

    private CopyCheck OfOthers(ListedCopy copy, CancellationToken cancellationToken)
    {
        // What is wrong with a single file is found again where it is read.
        CopyFault[] known = copy is { Fault: { } fault, Kind: not CopyKinds.File } ? [new CopyFault(null, fault)] : [];
        if (IsHopeless(copy))
            return new CopyCheck(known, 0, [], []);
        var contents = new FileContents(new MeteredFileSource(_files, read));
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, FilesAtOnce), CancellationToken = cancellationToken };
        var found = new ConcurrentBag<CopyFault>();
        Parallel.ForEach(Contents(copy, contents, cancellationToken), parallel, content =>
        {
            if (FaultOf(copy.Name, content) is { } bad)
                found.Add(bad);
        });
        CopyFault[] faults = [.. known, .. found.OrderBy(bad => bad.File, StringComparer.Ordinal)];
        string[] @checked = contents.Checksums > 0 ? ["format", "checksums", "readable"] : ["format", "readable"];
        string[] unread = [.. contents.Unread.SelectMany(file => Named(copy, file.Key, file.Value))];
        if (faults.Length > 0)
            return new CopyCheck(faults, 0, @checked, [.. contents.Unchecked]) { Unread = unread };
        CheckpointSource? source = null;
        if (FaultOf(copy.Name, () => source = Detect(copy.Name)) is { } unknown)
            return new CopyCheck([unknown], 0, @checked, [.. contents.Unchecked]) { Unread = unread };
        if (source is null)
            return new CopyCheck([], 0, @checked, ["how its files belong together: no known layout has such names", .. contents.Unchecked]) { Unread = unread };
        CopyCheck loaded = Loaded(copy.Name, () => CheckpointReader.Open(source), [.. @checked, "ownership"], [.. contents.Unchecked], cancellationToken);
        // Its files are whole; that they hold more than is read is no fault of theirs.
        return unread.Length == 0 || loaded.IsDamaged ? loaded with { Unread = unread }
            : loaded with { Faults = [], Tensors = Math.Max(loaded.Tensors, contents.TensorsBesideUnread), Unread = unread, Checked = loaded.IsGood ? loaded.Checked : @checked };
    }

    private static IEnumerable<string> Named(ListedCopy copy, string file, IReadOnlyList<UnreadValue> values)
    {
        string within = file == copy.Name ? "" : (file.StartsWith(copy.Name + "/", StringComparison.Ordinal) ? file[(copy.Name.Length + 1)..] : file) + ": ";
        foreach (UnreadValue value in values.Take(MostUnread))
            yield return within + (value.Place.Length == 0 ? value.What : $"{value.Place} ({value.What})");
        if (values.Count > MostUnread)
            yield return $"{within}{values.Count - MostUnread} more values";
    }

    // Nothing that could be read would say more: a copy of a run that has no marker.
    private static bool IsHopeless(ListedCopy copy) => copy is { Fault: not null, Entry: not null };

    // A distributed checkpoint's own files are read by its index.
    private IEnumerable<Action> Contents(ListedCopy copy, FileContents contents, CancellationToken cancellationToken)
    {
        string[] files = [.. FilesOf(copy)];
        HashSet<string> distributed = [.. files.Where(file => copy.Fault is null && file.EndsWith("/" + DistributedCheckpoint.MetadataName, StringComparison.Ordinal)).Select(FolderOf)];
        return [.. distributed.Select(Action (folder) => () => contents.VerifyDistributed(folder, cancellationToken)), .. files.Where(file => !IsChunks(file) || !(copy.Layout == CopyRecognition.Dcp || distributed.Contains(FolderOf(file))))
            .Select(Action (file) => () => contents.Verify(file, mustBeState: copy.Kind == CopyKinds.File, cancellationToken))];
    }

    private static bool IsChunks(string file) => file.EndsWith(DistributedLayout.Extension, StringComparison.Ordinal);

    private static string FolderOf(string file) => file[..Math.Max(0, file.LastIndexOf('/'))];

    private CopyCheck Loaded(string folder, Func<LoadedCheckpoint> open, IReadOnlyList<string> @checked, IReadOnlyList<string> @unchecked, CancellationToken cancellationToken)
    {
        int tensors = 0;
        CopyFault[] disagreements = [];
        CopyFault? fault = FaultOf(folder, () =>
        {
            using LoadedCheckpoint loaded = open();
            if (isStrict)
                disagreements = [.. loaded.Disagreements.Select(disagreement => new CopyFault(null, disagreement))];
            tensors = LoadAll(loaded, cancellationToken);
            if (loaded is InternLmCheckpoint internLm)
                internLm.Check(isSample: false, cancellationToken: cancellationToken);
        });
        CopyFault[] faults = [.. disagreements, .. fault is null ? [] : (CopyFault[])[fault]];
        return new CopyCheck(faults, faults.Length == 0 ? tensors : 0, @checked, @unchecked);
    }

    private CopyFault? FaultOf(string folder, Action look)
    {
        try
        {
            look();
            return null;
        }
        catch (Exception e) when (e is CheckpointException and not CopyChangedException or IOException or UnauthorizedAccessException)
        {
            return new CopyFault(Within(folder, (e as CheckpointException)?.Path), e.Message) { IsUnreadable = Unreadable.Is(e) };
        }
    }

    private CheckpointSource? Detect(string name)
    {
        try
        {
            return CheckpointReader.Detect(_files, name);
        }
        catch (CheckpointException e) when (e is not (CorruptCheckpointException or CopyChangedException))
        {
            return null;
        }
    }

    private static int LoadAll(LoadedCheckpoint loaded, CancellationToken cancellationToken)
    {
        int tensors = 0;
        foreach (string part in loaded.Parts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            IReadOnlyList<int> ranks = loaded.RanksOf(part);
            if (ranks.Count == 0)
                tensors += Tensors(loaded.Load(part));
            foreach (int rank in ranks)
                tensors += Tensors(loaded.Load(part, rank));
        }
        return tensors;
    }

    private static int Tensors(StateMap state) => StateLeaves.Of(state).Count(leaf => leaf.Node is StateTensor);

    private IEnumerable<string> FilesOf(ListedCopy copy)
    {
        string full = Path.Join(root, copy.Name);
        if (File.Exists(full))
            return [copy.Name];
        return Directory.EnumerateFiles(full, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(root, file).Replace(Path.DirectorySeparatorChar, '/')).Order(StringComparer.Ordinal);
    }

    // The copy itself is no one file.
    private string? Within(string folder, string? path)
    {
        string? relative = path?.StartsWith(root + "/", StringComparison.Ordinal) == true ? path[(root.Length + 1)..] : path;
        return relative is null || relative == folder ? null : relative.StartsWith(folder + "/", StringComparison.Ordinal) ? relative[(folder.Length + 1)..] : relative;
    }
}
