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
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            using IReadableFile source = files.OpenRead(from);
            using IWritableFile target = open(source.Length);
            using (var writer = new SequentialWriter(target, source.Length))
            {
                for (long offset = 0; offset < source.Length;)
                {
                    int read = source.Read(offset, block.AsSpan(0, (int)Math.Min(BlockBytes, source.Length - offset)));
                    if (read == 0)
                        throw new IOException($"'{from}' in {files.Root} ended after {offset} of {source.Length} bytes while it was copied to '{to}'.");
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
