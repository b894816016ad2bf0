using System.Collections.Concurrent;
using Cairn.Checkpoints;
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
    /// <exception cref="CopyChangedException">The copy was replaced or removed while it was read; nothing can be said about it.</exception>
    internal static IReadOnlyList<CheckpointFault> FaultsOf(IFileSource files, CatalogEntry entry, CancellationToken cancellationToken)
    {
        var faults = new ConcurrentDictionary<string, CheckpointFault>(StringComparer.Ordinal);
        ForEachChunk(OfRightSize(entry), (chunk, _) =>
        {
            if (FaultOf(files, entry, chunk, cancellationToken) is { } fault)
                faults.TryAdd(fault.Path, fault);
        }, cancellationToken);
        return faults.Values.Any(fault => fault.IsTransient) ? throw PinnedCopy.Changed(files, entry.Folder) : [.. entry.Faults.Concat(faults.Values).OrderBy(fault => fault.Path, StringComparer.Ordinal)];
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
            using PinnedCopy? pin = entry.Pin(files);
            return VerifyPinned(pin ?? files, entry, share, shares, cancellationToken);
        }
        catch (CopyChangedException)
        {
            return CheckpointFault.Changed(entry.Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new CheckpointFault(entry.Folder, entry.Folder, $"it cannot be read: {e.Message}");
        }
    }

    /// <summary>As above, of a complete entry, through files that belong to it whatever is saved meanwhile (<see cref="CatalogEntry.Pin"/>).</summary>
    internal static CheckpointFault? VerifyPinned(IFileSource pinned, CatalogEntry entry, int share, int shares, CancellationToken cancellationToken)
    {
        Marker marker = entry.Marker!;
        if (marker.IsDerived)
            return InternLmCopy.Verify(pinned, entry.Folder, marker, Assigned(marker.Files, share, shares), cancellationToken);
        CheckpointFault? first = null;
        ForEachChunk(Assigned(marker.Files, share, shares), (chunk, state) =>
        {
            if (FaultOf(pinned, entry, chunk, cancellationToken) is { } fault)
            {
                Interlocked.CompareExchange(ref first, fault, null);
                state.Stop();
            }
        }, cancellationToken);
        return first;
    }

    private static void ForEachChunk(IEnumerable<MarkedFile> files, Action<MarkedChunk, ParallelLoopState> check, CancellationToken cancellationToken)
    {
        var some = new ParallelOptions { MaxDegreeOfParallelism = ChunkCheck.AtOnce, CancellationToken = cancellationToken };
        // One at a time to each thread: they come in the order of the file, as a disk reads best.
        Parallel.ForEach(Partitioner.Create(files.SelectMany(MarkedChunk.Of), EnumerablePartitionerOptions.NoBuffering), some, check);
    }

    /// <summary>One of several shares of the files: the largest go first, each to the share that has the least.</summary>
    internal static List<MarkedFile> Assigned(IReadOnlyList<MarkedFile> files, int share, int shares)
    {
        if (shares == 1)
            return [.. files];
        var loads = new PriorityQueue<int, (long, int)>(Enumerable.Range(0, shares).Select(of => (of, (0L, of))));
        var mine = new List<MarkedFile>();
        foreach (MarkedFile file in files.OrderByDescending(file => file.Length))
        {
            _ = loads.TryDequeue(out int of, out (long Bytes, int) load);
            loads.Enqueue(of, (load.Bytes + file.Length, of));
            if (of == share)
                mine.Add(file);
        }
        return mine;
    }

    private static CheckpointFault? FaultOf(IFileSource files, CatalogEntry entry, MarkedChunk chunk, CancellationToken cancellationToken)
    {
        string path = $"{entry.Folder}/{chunk.File.Name}";
        try
        {
            using IReadableFile file = files.OpenRead(path);
            return ChunkCheck.FaultOf(chunk, file, read: null, cancellationToken) is { } reason ? new CheckpointFault(entry.Folder, path, reason) : null;
        }
        catch (CopyChangedException)
        {
            return CheckpointFault.Changed(entry.Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new CheckpointFault(entry.Folder, path, $"the file cannot be read: {e.Message}");
        }
    }
}
