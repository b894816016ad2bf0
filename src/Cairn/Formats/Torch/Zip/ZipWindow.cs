namespace Cairn.Formats.Torch.Zip;

/// <summary>Reads a directory through one window.</summary>
internal sealed class ZipWindow(ZipDirectory archive, long start, long end)
{
    // An entry with the longest name, extra field and comment does not fit; each of them does.
    private const int WindowLength = 64 * 1024;

    private readonly byte[] _window = new byte[Math.Min(WindowLength, end - start)];
    private long _position = start;
    private int _count, _next;

    public long Remaining => end - _position + (_count - _next);

    /// <summary>The next bytes; valid until the next call.</summary>
    public ReadOnlySpan<byte> Read(int count)
    {
        if (count > Remaining)
            throw archive.Bad(TorchFault.Directory, "the directory ends within an entry", $"{count} bytes", $"{Remaining}");
        if (_count - _next < count)
        {
            int kept = _count - _next;
            _window.AsSpan(_next, kept).CopyTo(_window);
            int more = (int)Math.Min(_window.Length - kept, end - _position);
            archive.ReadExactly(_position, _window.AsSpan(kept, more));
            _position += more;
            (_next, _count) = (0, kept + more);
        }
        _next += count;
        return _window.AsSpan(_next - count, count);
    }
}
