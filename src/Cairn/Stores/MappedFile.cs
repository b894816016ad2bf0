using System.IO.MemoryMappedFiles;

namespace Cairn.Stores;

/// <summary>A local file mapped into memory for reading.</summary>
internal sealed unsafe class MappedFile : ISpanFile
{
    private readonly MemoryMappedFile? _mapping;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _start;
    private int _disposed;

    public MappedFile(string filePath)
    {
        using var stream = RegularFile.OpenStream(filePath);
        Length = stream.Length;
        // The system refuses to map nothing.
        if (Length == 0)
            return;
        MemoryMappedFile mapping = MemoryMappedFile.CreateFromFile(stream, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            _view = mapping.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
            _start += _view.PointerOffset;
            _mapping = mapping;
        }
        catch
        {
            _view?.Dispose();
            mapping.Dispose();
            throw;
        }
    }

    public long Length { get; }

    public int Read(long offset, Span<byte> destination)
    {
        int length = (int)Math.Min(destination.Length, Math.Max(0, Length - offset));
        Span(offset, length).CopyTo(destination);
        return length;
    }

    private ReadOnlySpan<byte> Span(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        return length == 0 ? [] : new ReadOnlySpan<byte>(_start + offset, length);
    }

    public bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        if (offset < 0 || length < 0 || offset > Length - length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{length} bytes at {offset} do not lie within the {Length} bytes of the file.");
        bytes = Span(offset, length);
        return true;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0 || _view is null)
            return;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _mapping!.Dispose();
    }
}
