using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Cairn.Stores;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// Reads a pickle from a part of a file through one window. A length in the pickle is compared with what is left before anything is allocated.
/// </summary>
internal sealed class PickleSource : IDisposable
{
    private const int WindowLength = 64 * 1024;
    // Names of modules and numbers are short; Python itself refuses longer numbers (sys.int_info.default_max_str_digits).
    public const int MaxDigits = 4300;

    private readonly IReadableFile _file;
    private readonly long _end;
    private byte[] _window = ArrayPool<byte>.Shared.Rent(WindowLength);
    private long _windowStart;
    private int _windowCount, _next;

    public PickleSource(IReadableFile file, string path, long start, long end)
    {
        _file = file;
        _end = end;
        _windowStart = start;
        Path = path;
        Start = start;
    }

    public string Path { get; }
    public long Start { get; }
    /// <summary>Offset in the file of the next byte.</summary>
    public long Position => _windowStart + _next;
    /// <summary>Bytes that are left.</summary>
    public long Remaining => _end - Position;

    public byte ReadByte()
    {
        if (_next == _windowCount)
            Fill(1);
        return _window[_next++];
    }

    /// <summary>The next few bytes; valid until the next call.</summary>
    public ReadOnlySpan<byte> Read(int count)
    {
        if (_windowCount - _next < count)
            Fill(count);
        _next += count;
        return _window.AsSpan(_next - count, count);
    }

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Read(2));
    public int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(Read(4));
    public long ReadInt64() => BinaryPrimitives.ReadInt64LittleEndian(Read(8));
    public double ReadDouble() => BinaryPrimitives.ReadDoubleBigEndian(Read(8));

    /// <summary>A length, which must lie within what is left.</summary>
    public int Length(long length) =>
        length >= 0 && length <= Remaining && length <= Array.MaxLength ? (int)length
        : throw Bad(TorchFault.Truncated, "a length in the pickle reaches past its end", $"at most {Math.Min(Remaining, Array.MaxLength)} bytes", length < 0 ? "a length beyond 63 bits" : $"{length} bytes");

    public byte[] ReadBytes(long length)
    {
        byte[] bytes = new byte[Length(length)];
        int buffered = Math.Min(bytes.Length, _windowCount - _next);
        _window.AsSpan(_next, buffered).CopyTo(bytes);
        _next += buffered;
        if (buffered < bytes.Length)
        {
            ReadFile(Position, bytes.AsSpan(buffered));
            _windowStart = Position + (bytes.Length - buffered);
            _windowCount = _next = 0;
        }
        return bytes;
    }

    /// <summary>The next bytes; valid until the next call.</summary>
    public ReadOnlySpan<byte> ReadSpan(long length)
    {
        int count = Length(length);
        return count <= WindowLength ? Read(count) : ReadBytes(count);
    }

    public string Text(ReadOnlySpan<byte> utf8) => Utf8.IsValid(utf8) ? Encoding.UTF8.GetString(utf8) : throw NotText();

    public CorruptTorchFileException NotText() => Bad(TorchFault.NotText, $"a text at byte {Position} is not UTF-8", "UTF-8", "other bytes");

    /// <summary>The bytes up to a line feed, which is taken too; valid until the next call.</summary>
    public ReadOnlySpan<byte> ReadLine(int maxLength = int.MaxValue)
    {
        int seen = 0;
        while (true)
        {
            int feed = _window.AsSpan(_next + seen, _windowCount - _next - seen).IndexOf((byte)'\n');
            int length = feed >= 0 ? seen + feed : _windowCount - _next;
            if (length > maxLength)
                throw Bad(TorchFault.Value, $"the line at byte {Position} is too long", $"at most {maxLength} bytes", "more");
            if (feed >= 0)
            {
                _next += length + 1;
                return _window.AsSpan(_next - length - 1, length);
            }
            seen = length;
            if (Remaining == seen)
                throw Bad(TorchFault.Truncated, $"the line at byte {Position} has no end", "a line feed", "the end of the pickle");
            Fill(Math.Min(Math.Max(seen + 1, (int)Math.Min(Remaining, 2L * seen)), Array.MaxLength));
        }
    }

    public CorruptTorchFileException Bad(TorchFault fault, string what, string expected, string found) => new(fault, Path, what, expected, found);

    /// <summary>Makes the window hold <paramref name="count"/> bytes from the next one on.</summary>
    private void Fill(int count)
    {
        if (count > Remaining)
            throw Bad(TorchFault.Truncated, $"the pickle ends at byte {_end} within a value", $"{count} bytes", $"{Remaining} bytes");
        int kept = _windowCount - _next;
        byte[] window = _window;
        if (count > window.Length)
            window = ArrayPool<byte>.Shared.Rent(count);
        _window.AsSpan(_next, kept).CopyTo(window);
        if (window != _window)
        {
            ArrayPool<byte>.Shared.Return(_window);
            _window = window;
        }
        _windowStart += _next;
        _next = 0;
        int length = (int)Math.Min(_window.Length, _end - _windowStart);
        _windowCount = kept;
        ReadFile(_windowStart + kept, _window.AsSpan(kept, length - kept));
        _windowCount = length;
    }

    private void ReadFile(long offset, Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length)
        {
            int read = _file.Read(offset + done, destination[done..]);
            if (read <= 0)
                throw Bad(TorchFault.Truncated, $"the file ends at {offset + done} while it is being read", $"{destination.Length} bytes at {offset}", $"{done} bytes");
            done += read;
        }
    }

    public void Dispose()
    {
        if (_window.Length > 0)
            ArrayPool<byte>.Shared.Return(_window);
        _window = [];
    }
}
