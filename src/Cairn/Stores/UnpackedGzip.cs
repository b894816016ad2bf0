using System.IO.Compression;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>
/// What a file that was packed with gzip holds, in a temporary file that goes when it is closed: a file of PyTorch is read from its end on, and a stream has only its beginning.
/// </summary>
internal sealed class UnpackedGzip : IReadableFile
{
    private const int BlockBytes = 1 << 20;
    // Weights are hardly smaller when they are packed; what becomes so much larger was made to fill a disk.
    private const long FreeBytes = 64 << 20, MostTimes = 100;

    private readonly SafeFileHandle _file;

    private UnpackedGzip(SafeFileHandle file) => (_file, Length) = (file, RandomAccess.GetLength(file));

    public long Length { get; }

    /// <summary>Whether a file begins as gzip's do.</summary>
    public static bool IsPacked(ReadOnlySpan<byte> head) => head is [0x1f, 0x8b, 8, ..];

    /// <summary>The beginning of what a packed file holds; less when it is damaged.</summary>
    public static byte[] Head(IReadableFile packed, int length)
    {
        byte[] head = new byte[length];
        using var gzip = new GZipStream(new Source(packed), CompressionMode.Decompress);
        try
        {
            return head[..gzip.ReadAtLeast(head, length, throwOnEndOfStream: false)];
        }
        catch (InvalidDataException)
        {
            return [];
        }
    }

    /// <summary>What a packed file holds; any other file is given back as it is.</summary>
    /// <param name="file">The file, which from here on belongs to the result, or is disposed when this throws.</param>
    /// <param name="path">Its path, for messages.</param>
    /// <exception cref="CorruptCheckpointException">It is damaged, or becomes too large.</exception>
    /// <exception cref="IOException">It could not be read, or there is no space for it in the system's folder for temporary files.</exception>
    public static IReadableFile OrSelf(IReadableFile file, string path)
    {
        Span<byte> head = stackalloc byte[3];
        try
        {
            if (file.Length < head.Length || !IsPacked(head[..file.Read(0, head)]))
                return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
        using (file)
            return Unpack(file, path);
    }

    public int Read(long offset, Span<byte> destination)
    {
        int read = 0;
        while (read < destination.Length && RandomAccess.Read(_file, destination[read..], offset + read) is > 0 and var more)
            read += more;
        return read;
    }

    public void Dispose() => _file.Dispose();

    private static UnpackedGzip Unpack(IReadableFile packed, string path)
    {
        string name = Path.Join(Path.GetTempPath(), $"cairn-{Guid.NewGuid():N}");
        SafeFileHandle made = File.OpenHandle(name, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        try
        {
            using var gzip = new GZipStream(new Source(packed), CompressionMode.Decompress);
            byte[] block = new byte[BlockBytes];
            long length = 0, most = FreeBytes + (MostTimes * packed.Length);
            while (gzip.Read(block) is > 0 and var count)
            {
                if (length + count > most)
                    throw new CorruptCheckpointException($"{path} becomes more than {most} bytes when it is unpacked, which weights do not. If it is good, unpack it with gunzip and give what is in it.") { Path = path };
                RandomAccess.Write(made, block.AsSpan(0, count), length);
                length += count;
            }
            return new UnpackedGzip(made);
        }
        catch (InvalidDataException e)
        {
            made.Dispose();
            throw new CorruptCheckpointException($"{path} cannot be unpacked: it was cut or altered. Fetch or save it again.", e) { Path = path };
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    /// <summary>A file from its beginning to its end.</summary>
    private sealed class Source(IReadableFile file) : Stream
    {
        private long _position;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => file.Length;
        public override long Position { get => _position; set => throw new NotSupportedException(); }
        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            int read = _position >= file.Length ? 0 : file.Read(_position, buffer);
            _position += read;
            return read;
        }

        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
