using System.Buffers;
using System.Collections.Concurrent;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// A copy whose files are verified, and read afterwards: what is read once stays in memory, so that a store is asked for it once and what is loaded is what was verified. What the
/// system has in its memory anyway is left there, and what there is no memory for is read again. The memory is freed when this is disposed.
/// </summary>
internal sealed class VerifiedCopy(HeldCopy held, string folder, SpareMemory spare) : IFileSource, IDisposable
{
    private readonly ConcurrentDictionary<(string Path, long Offset), IMemoryOwner<byte>> _kept = new();
    private readonly ConcurrentDictionary<string, long> _chunkBytes = new(StringComparer.Ordinal);

    /// <summary>What the content of the copy's marker is known by.</summary>
    public UInt128 MarkerDigest => held.MarkerDigest;

    /// <summary>Its files, as they were before they were read (<see cref="HeldCopy.Identities"/>).</summary>
    public IReadOnlyDictionary<string, FileIdentity> Identities => held.Identities;

    /// <summary>Bytes that are in memory.</summary>
    public long KeptBytes => _kept.Values.Sum(static memory => (long)memory.Memory.Length);

    public string Root => held.Root;
    public IReadOnlyList<FileSystemEntry> List(string folder) => held.List(folder);
    public bool FileExists(string path) => held.FileExists(path);
    public bool FolderExists(string path) => held.FolderExists(path);

    /// <summary>Reads a chunk. <see langword="null"/> when it is what the marker says, else what is wrong with it. May be called from several threads, for each chunk once.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public string? Verify(MarkedChunk chunk, CancellationToken cancellationToken)
    {
        string path = $"{folder}/{chunk.File.Name}";
        using IReadableFile file = held.OpenRead(path);
        long length = chunk.End - chunk.Offset;
        if (length is 0 or > int.MaxValue - AlignedMemory.Alignment || file is ICachedFile cached && cached.IsCached(chunk.Offset, (int)length) || TryAllocate((int)length) is not { } memory)
            return ChunkCheck.FaultOf(chunk, file, read: null, cancellationToken);
        bool isKept = false;
        try
        {
            string? fault = ChunkCheck.Read(chunk, file, memory.Memory.Span, cancellationToken);
            if (fault is null)
            {
                _chunkBytes[path] = chunk.File.Hashes.ChunkBytes;
                isKept = _kept.TryAdd((path, chunk.Offset), memory);
            }
            return fault;
        }
        finally
        {
            if (!isKept)
                memory.Dispose();
        }
    }

    public IReadableFile OpenRead(string path)
    {
        IReadableFile file = held.OpenRead(path);
        return _chunkBytes.TryGetValue(path, out long chunk) ? new KeptFile(this, path, file, chunk) : file;
    }

    public void Dispose()
    {
        foreach (IMemoryOwner<byte> memory in _kept.Values)
            memory.Dispose();
        _kept.Clear();
        held.Dispose();
    }

    private IMemoryOwner<byte>? TryAllocate(int length)
    {
        try
        {
            return spare.TryTake(AlignedMemory.RoundUp(length)) ? AlignedMemory.Allocate(length) : null;
        }
        catch (OutOfMemoryException)
        {
            // A limit of this process, of which the machine knows nothing.
            return null;
        }
    }

    private sealed class KeptFile(VerifiedCopy copy, string path, IReadableFile file, long chunkBytes) : IReadableFile
    {
        public long Length => file.Length;

        public int Read(long offset, Span<byte> destination)
        {
            int done = 0, wanted = (int)Math.Min(destination.Length, Math.Max(0, Length - offset));
            while (done < wanted)
            {
                long at = offset + done, within = at % chunkBytes;
                Span<byte> part = destination.Slice(done, (int)Math.Min(wanted - done, chunkBytes - within));
                if (copy._kept.TryGetValue((path, at - within), out IMemoryOwner<byte>? memory))
                    memory.Memory.Span.Slice((int)within, part.Length).CopyTo(part);
                else if (file.Read(at, part) is var read && read < part.Length)
                    return done + read;
                done += part.Length;
            }
            return done;
        }

        public void Dispose() => file.Dispose();
    }
}
