using System.Buffers;
using System.IO.Hashing;
using Cairn.Commit;
using Cairn.Storage;

namespace Cairn.Resume;

/// <summary>Compares every byte of a checkpoint with the hashes of its marker.</summary>
public static class Verifier
{
    private const int BlockBytes = 4 << 20;

    /// <summary>Reads all files of an entry, a few at a time. <see langword="null"/> when they are what the marker says.</summary>
    /// <param name="files">The run.</param>
    /// <param name="entry">What to verify.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static CheckpointFault? Verify(IFileSystem files, CatalogEntry entry, CancellationToken cancellationToken = default)
    {
        if (entry.Marker is not { } marker)
            return entry.Fault;
        CheckpointFault? first = null;
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, 8), CancellationToken = cancellationToken };
        Parallel.ForEach(marker.Files, parallel, (file, state) =>
        {
            if (FaultOf(files, $"{entry.Folder}/{file.Name}", file, cancellationToken) is { } reason)
            {
                Interlocked.CompareExchange(ref first, new CheckpointFault(entry.Folder, $"{entry.Folder}/{file.Name}", reason), null);
                state.Stop();
            }
        });
        return first;
    }

    private static string? FaultOf(IFileSystem files, string path, MarkedFile marked, CancellationToken cancellationToken)
    {
        byte[] current = ArrayPool<byte>.Shared.Rent(BlockBytes), next = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            using IReadableFile file = files.OpenRead(path);
            var hash = new XxHash128();
            int ready = Read(file, 0, marked.Length, current);
            for (long offset = 0; offset < marked.Length;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (ready == 0)
                    return $"the file ends after {offset} of {marked.Length} bytes";
                // The next block is read while this one is hashed; the last needs no other thread.
                long after = offset + ready;
                byte[] block = next;
                Task<int>? reading = after < marked.Length ? Task.Run(() => Read(file, after, marked.Length, block), CancellationToken.None) : null;
                hash.Append(current.AsSpan(0, ready));
                offset = after;
                ready = reading?.GetAwaiter().GetResult() ?? 0;
                (current, next) = (next, current);
            }
            string found = Convert.ToHexStringLower(hash.GetCurrentHash());
            return found == marked.Hash ? null : $"the file was altered: its hash is {found} instead of {marked.Hash}";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the file cannot be read: {e.Message}";
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(current);
            ArrayPool<byte>.Shared.Return(next);
        }
    }

    private static int Read(IReadableFile file, long offset, long length, byte[] block) =>
        file.Read(offset, block.AsSpan(0, (int)Math.Min(BlockBytes, length - offset)));
}
