using System.Collections.Concurrent;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Layouts.InternLm;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>Compares every byte of a checkpoint with the hashes of its marker; of one that another program wrote, with the checksums that its files have.</summary>
internal static class Verifier
{
    /// <summary>
    /// Reads all files of an entry, a few at a time. <see langword="null"/> when they are what the marker says. A run that is trained meanwhile may replace the
    /// copy: that is no damage, and the fault is then transient (<see cref="CheckpointFault.IsTransient"/>).
    /// </summary>
    /// <param name="files">The run.</param>
    /// <param name="entry">What to verify.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static CheckpointFault? Verify(IFileSource files, CatalogEntry entry, CancellationToken cancellationToken = default) =>
        Verify(files, entry, share: 0, shares: 1, cancellationToken);

    /// <summary>All that is wrong with an entry of Cairn, by file: what is missing, of another size or altered. Every file that has its size is read.</summary>
    /// <param name="files">The run.</param>
    /// <param name="entry">The copy.</param>
    /// <param name="shared">What it shares with copies that were or will be looked at too: such a file is read once.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="CopyChangedException">The copy was replaced or removed while it was read; nothing can be said about it.</exception>
    internal static IReadOnlyList<CheckpointFault> FaultsOf(IFileSource files, CatalogEntry entry, SharedFiles shared, CancellationToken cancellationToken)
    {
        var faults = new ConcurrentDictionary<string, CheckpointFault>(StringComparer.Ordinal);
        var unread = new List<MarkedFile>();
        foreach (MarkedFile file in OfRightSize(entry))
        {
            if (!shared.IsKnown(entry, file, out string? found))
                unread.Add(file);
            else if (found is not null)
                faults.TryAdd($"{entry.Folder}/{file.Name}", new CheckpointFault(entry.Folder, $"{entry.Folder}/{file.Name}", found));
        }
        ForEachChunk(unread, chunk =>
        {
            if (FaultOf(files, entry, chunk, cancellationToken) is { } fault)
                faults.TryAdd(fault.Path, fault);
            return true;
        }, cancellationToken);
        if (faults.Values.Any(fault => fault.IsTransient))
            throw HeldCopy.Changed(files, entry.Folder);
        foreach (MarkedFile file in unread)
            shared.Note(entry, file, faults.GetValueOrDefault($"{entry.Folder}/{file.Name}")?.Reason);
        return [.. entry.Faults.Concat(faults.Values).OrderBy(fault => fault.Path, StringComparer.Ordinal)];
    }

    /// <summary>The files that <see cref="FaultsOf"/> reads.</summary>
    internal static IEnumerable<MarkedFile> OfRightSize(CatalogEntry entry)
    {
        HashSet<string> wrong = entry.Faults.Select(fault => fault.Path).ToHashSet(StringComparer.Ordinal);
        return (entry.Written?.Files ?? []).Where(file => !wrong.Contains($"{entry.Folder}/{file.Name}"));
    }

    /// <summary>As <see cref="Verify(IFileSource, CatalogEntry, CancellationToken)"/>, but reads only one of several shares of the files, which are about equally large.</summary>
    internal static CheckpointFault? Verify(IFileSource files, CatalogEntry entry, int share, int shares, CancellationToken cancellationToken)
    {
        if (entry.Marker is null)
            return entry.Fault;
        try
        {
            using HeldCopy? held = entry.Hold(files);
            return VerifyHeld(held ?? files, entry, share, shares, cancellationToken);
        }
        catch (CopyChangedException)
        {
            return CheckpointFault.Changed(entry.Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return CheckpointFault.Unread(entry.Folder, entry.Folder, e, "it cannot be read: ");
        }
    }

    /// <summary>Reads all files of a copy that has no name yet, and gives the first that is not what its marker is going to say.</summary>
    /// <param name="files">The run.</param>
    /// <param name="place">Where the files stand.</param>
    /// <param name="marker">The marker.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    internal static CheckpointFault? FaultIn(IFileSource files, string place, Marker marker, CancellationToken cancellationToken)
    {
        CatalogEntry unnamed = CatalogEntry.At(files, place, marker.Kind, marker.Step);
        CheckpointFault? first = null;
        ForEachChunk(marker.Files, chunk =>
        {
            if (FaultOf(files, unnamed, chunk, cancellationToken) is { } fault)
                Interlocked.CompareExchange(ref first, fault, null);
            return Volatile.Read(ref first) is null;
        }, cancellationToken);
        return first;
    }

    // Through files that belong to the entry whatever is saved meanwhile (CatalogEntry.Pin).
    private static CheckpointFault? VerifyHeld(IFileSource held, CatalogEntry entry, int share, int shares, CancellationToken cancellationToken) =>
        FirstFault(held, entry, Assigned(entry.Marker!.Files, share, shares), chunk => FaultOf(held, entry, chunk, cancellationToken), cancellationToken);

    /// <summary>Reads one rank's share of the files of a complete entry, and keeps what can be kept of them: in the world that saved it, those that the rank goes on with.</summary>
    internal static CheckpointFault? Verify(VerifiedCopy copy, CatalogEntry entry, World world, int rank, CancellationToken cancellationToken)
    {
        Marker marker = entry.Marker!;
        IReadOnlyDictionary<string, int>? writers = world.Size > 1 && world == marker.World && marker.Layout == Marker.DefaultLayout
            ? CairnLayout.Writers(marker.Files.Select(file => file.Name), world) : null;
        return FirstFault(copy, entry, Assigned(marker.Files, rank, world.Size, writers), chunk => FaultOf(entry, chunk, one => copy.Verify(one, cancellationToken)), cancellationToken);
    }

    private static CheckpointFault? FirstFault(IFileSource copy, CatalogEntry entry, List<MarkedFile> files, Func<MarkedChunk, CheckpointFault?> check, CancellationToken cancellationToken)
    {
        if (entry.Marker!.IsDerived)
            return InternLmCopy.Verify(copy, entry.Folder, entry.Marker, files, cancellationToken);
        CheckpointFault? first = null;
        ForEachChunk(files, chunk =>
        {
            if (check(chunk) is { } fault)
                Interlocked.CompareExchange(ref first, fault, null);
            return Volatile.Read(ref first) is null;
        }, cancellationToken);
        return first;
    }

    // One at a time to each thread: they come in the order of the file, as a disk reads best. Until one says false.
    private static void ForEachChunk(IReadOnlyCollection<MarkedFile> files, Func<MarkedChunk, bool> check, CancellationToken cancellationToken)
    {
        using IEnumerator<MarkedChunk> chunks = files.SelectMany(MarkedChunk.Of).GetEnumerator();
        var taking = new Lock();
        WorkCrew.Run(Math.Min(files.Sum(file => file.Hashes.Count), ChunkCheck.AtOnce), "cairn reader", () =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            MarkedChunk chunk;
            lock (taking)
            {
                if (!chunks.MoveNext())
                    return false;
                chunk = chunks.Current;
            }
            return check(chunk);
        });
    }

    /// <summary>One of several shares of the files: those that have a reader of their own go to it; of the others the largest first, each to the share that has the least.</summary>
    internal static List<MarkedFile> Assigned(IReadOnlyList<MarkedFile> files, int share, int shares, IReadOnlyDictionary<string, int>? readers = null)
    {
        if (shares == 1)
            return [.. files];
        var mine = new List<MarkedFile>();
        var others = new List<MarkedFile>();
        long[] bytes = new long[shares];
        foreach (MarkedFile file in files)
        {
            if (readers is null || !readers.TryGetValue(file.Name, out int reader) || reader >= shares)
            {
                others.Add(file);
                continue;
            }
            bytes[reader] += file.Length;
            if (reader == share)
                mine.Add(file);
        }
        var loads = new PriorityQueue<int, (long, int)>(bytes.Select((load, of) => (of, (load, of))));
        foreach (MarkedFile file in others.OrderByDescending(file => file.Length))
        {
            _ = loads.TryDequeue(out int of, out (long Bytes, int) load);
            loads.Enqueue(of, (load.Bytes + file.Length, of));
            if (of == share)
                mine.Add(file);
        }
        return mine;
    }

    private static CheckpointFault? FaultOf(IFileSource files, CatalogEntry entry, MarkedChunk chunk, CancellationToken cancellationToken) => FaultOf(entry, chunk, chunk =>
    {
        using IReadableFile file = files.OpenRead($"{entry.Folder}/{chunk.File.Name}");
        return ChunkCheck.FaultOf(chunk, file, read: null, cancellationToken);
    });

    private static CheckpointFault? FaultOf(CatalogEntry entry, MarkedChunk chunk, Func<MarkedChunk, string?> check)
    {
        string path = $"{entry.Folder}/{chunk.File.Name}";
        try
        {
            return check(chunk) is { } reason ? new CheckpointFault(entry.Folder, path, reason) : null;
        }
        catch (CopyChangedException)
        {
            return CheckpointFault.Changed(entry.Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return CheckpointFault.Unread(entry.Folder, path, e, "the file cannot be read: ");
        }
    }
}
