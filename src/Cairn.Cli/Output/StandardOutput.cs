using Cairn.Stores;

namespace Cairn.Cli.Output;

/// <summary>The reader of standard output has gone.</summary>
internal sealed class OutputClosedException(Exception innerException) : IOException("The reader of standard output has gone.", innerException);

/// <summary>
/// Standard output as a pipe or a file. .NET's own throws written text away once the reader of a pipe has gone, and a verb that goes on for hours would
/// never hear of it.
/// </summary>
internal sealed class StandardOutput : Stream
{
    private const int BrokenPipe = 32;
    private const int Descriptor = 1;

    private readonly Microsoft.Win32.SafeHandles.SafeFileHandle _handle = new(Descriptor, ownsHandle: false);

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Whether the reader of a pipe has gone. Known before anything is written.</summary>
    public static bool HasNoReader => !OperatingSystem.IsWindows() && UnixPipes.IsBroken(Descriptor);

    /// <summary>What to write to.</summary>
    public static TextWriter Open() =>
        OperatingSystem.IsWindows() || !Console.IsOutputRedirected ? Console.Out : new StreamWriter(new StandardOutput()) { AutoFlush = true };

    /// <exception cref="OutputClosedException">The reader has gone.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            try
            {
                buffer = buffer[(int)UnixCalls.Write(_handle, buffer, "standard output")..];
            }
            catch (IOException e) when (e.HResult == UnixCalls.WouldBlock)
            {
                // Somebody made the pipe non-blocking, and it is full.
                UnixPipes.WaitForRoom(Descriptor);
            }
            catch (IOException e) when (e.HResult == BrokenPipe)
            {
                throw new OutputClosedException(e);
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
    public override void Flush() { }
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _handle.Dispose();
        base.Dispose(disposing);
    }
}
