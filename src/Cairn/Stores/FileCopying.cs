using System.Buffers;

namespace Cairn.Stores;

/// <summary>Copies one file, block by block.</summary>
internal static class FileCopying
{
    private const int BlockBytes = 4 << 20;

    /// <summary>Copies a file and makes the copy durable.</summary>
    /// <param name="files">Where it stands.</param>
    /// <param name="from">The file.</param>
    /// <param name="open">Opens the copy, of a length.</param>
    /// <param name="to">The copy, for messages.</param>
    /// <exception cref="IOException">The file ended early, or one of the two stores refused.</exception>
    public static void Run(IFileSource files, string from, Func<long, IWritableFile> open, string to)
    {
        using IReadableFile source = files.OpenRead(from);
        using IWritableFile target = open(source.Length);
        Run(files, from, source, source.Length, target, to);
    }

    /// <summary>Copies a file that is open into one that is open, and makes the copy durable.</summary>
    /// <param name="files">Where it stands.</param>
    /// <param name="from">The file, for messages.</param>
    /// <param name="source">The file.</param>
    /// <param name="length">Bytes to copy.</param>
    /// <param name="target">The copy.</param>
    /// <param name="to">The copy, for messages.</param>
    /// <param name="passed">Sees each block.</param>
    /// <param name="cancellationToken">Gives up between two blocks.</param>
    /// <exception cref="IOException">The file ended early, or one of the two stores refused.</exception>
    public static void Run(
        IFileSource files, string from, IReadableFile source, long length, IWritableFile target, string to, Action<ReadOnlyMemory<byte>>? passed = null, CancellationToken cancellationToken = default)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            using (var writer = new SequentialWriter(target, length))
            {
                for (long offset = 0; offset < length;)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    int read = source.Read(offset, block.AsSpan(0, (int)Math.Min(BlockBytes, length - offset)));
                    if (read == 0)
                        throw new IOException($"'{from}' in {files.Root} ended after {offset} of {length} bytes while it was copied to '{to}'.");
                    passed?.Invoke(block.AsMemory(0, read));
                    writer.Write(block.AsSpan(0, read));
                    offset += read;
                }
                writer.Complete();
            }
            target.Sync();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }
}
