using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A file to write.</summary>
/// <param name="Name">Its name, for messages.</param>
/// <param name="Content">Its bytes.</param>
/// <param name="Open">Opens it; called by the first thread that has bytes for it.</param>
/// <param name="LooksForNonFinite">Whether to look for NaN and infinity in its tensors.</param>
internal sealed record FileToWrite(string Name, IFileContent Content, Func<IWritableFile> Open, bool LooksForNonFinite = false)
{
    /// <summary>Bytes of the chunks in which it is hashed: those of a copy that it comes from, or as many as suit a new file.</summary>
    public long ChunkBytes => Content is StoredContent stored ? stored.Hashes.ChunkBytes : ChunkHashes.ChunkBytesFor(Content.Length);
}

/// <summary>A file that was written and is durable, but for its name.</summary>
/// <param name="Hashes">The hashes of its bytes.</param>
/// <param name="NonFiniteTensor">The first of its tensors with NaN or infinity, if it was looked for.</param>
internal sealed record WrittenFile(ChunkHashes Hashes, string? NonFiniteTensor);

/// <summary>
/// Writes files in one pass over memory: each block is made, hashed, looked at and written while it is warm. Large ones are written by a few threads, each of which takes the next
/// chunk of the next file, so that some hash while others wait for the disk; small ones by the caller's own, one after the other.
/// </summary>
internal sealed class FilesWriter
{
    private const int MostThreads = 4;
    private const long BytesOfAThread = 16L << 20;

    // Each of these has some threads of its own, and their memory.
    private readonly Lock _inOrder = new();
    private readonly FileInWork[] _files;
    // All before it are taken.
    private int _first;

    private FilesWriter(IReadOnlyList<FileToWrite> files, Action<int> wrote, CancellationToken cancellationToken) =>
        _files = [.. files.Select(file => new FileInWork(file, _inOrder, wrote, cancellationToken))];

    /// <summary>Writes the files and makes them durable.</summary>
    /// <param name="files">The files, in the order in which they are begun.</param>
    /// <param name="wrote">Called with the bytes of each block, and with 0 after each file; by any of the threads, by several at once.</param>
    /// <param name="cancellationToken">Gives up between two blocks.</param>
    /// <returns>What was written, in the same order.</returns>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    /// <exception cref="IOException">A file could not be written. All are closed.</exception>
    public static IReadOnlyList<WrittenFile> Write(IReadOnlyList<FileToWrite> files, Action<int> wrote, CancellationToken cancellationToken)
    {
        var writer = new FilesWriter(files, wrote, cancellationToken);
        long bytes = files.Sum(file => file.Content.Length);
        try
        {
            WorkCrew.Run((int)Math.Clamp(bytes / BytesOfAThread, 1, MostThreads), WriterThread.Name, writer.WriteNext);
        }
        finally
        {
            foreach (FileInWork file in writer._files)
                file.Dispose();
            foreach (FileToWrite file in files)
                (file.Content as StoredContent)?.Dispose();
        }
        return [.. writer._files.Select(file => file.Result)];
    }

    private bool WriteNext()
    {
        for (int at = Volatile.Read(ref _first); at < _files.Length; at++)
        {
            if (_files[at].TryTake(out int chunk))
            {
                _files[at].Write(chunk);
                return true;
            }
            Interlocked.CompareExchange(ref _first, at + 1, at);
        }
        return false;
    }
}
