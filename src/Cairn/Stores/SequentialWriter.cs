using System.Buffers;

namespace Cairn.Stores;

/// <summary>
/// Writes a file whose bytes come in order: cuts them into blocks, of which a few are under way at once while the next is filled. Memory is bounded by the blocks under way. What a
/// block failed with is thrown by a later call.
/// </summary>
/// <param name="file">The file.</param>
/// <param name="length">Bytes that it will have.</param>
/// <param name="memory">Where blocks come from.</param>
internal sealed class SequentialWriter(IWritableFile file, long length, AlignedMemory memory) : IDisposable
{
    private const int MostUnderWay = 4;

    private readonly Queue<(Task Writing, IMemoryOwner<byte> Block)> _underWay = new();
    private IMemoryOwner<byte>? _block;
    private int _filled;
    private long _offset;

    /// <summary>Begins at the start of the file.</summary>
    public SequentialWriter(IWritableFile file, long length) : this(file, length, AlignedMemory.Shared) { }

    /// <summary>Takes the next bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            _block ??= memory.Rent(length);
            int count = Math.Min(bytes.Length, memory.BlockBytes - _filled);
            bytes[..count].CopyTo(_block.Memory.Span[_filled..]);
            bytes = bytes[count..];
            _filled += count;
            if (_filled == memory.BlockBytes)
                Send();
        }
    }

    /// <summary>Writes what is left, as a shorter block, and waits for all. Nothing may be written after it.</summary>
    public void Complete()
    {
        // A file of one block is not worth a thread.
        if (_filled > 0 && _offset == 0)
            file.Write(0, _block!.Memory.Span[.._filled]);
        else if (_filled > 0)
            Send();
        while (_underWay.Count > 0)
            EndOldest();
    }

    /// <summary>Waits for what is under way, whatever becomes of it: the blocks are given back, and the file may be closed, only when nobody uses them any more.</summary>
    public void Dispose()
    {
        while (_underWay.Count > 0)
            EndOldest(isGivenUp: true);
        _block?.Dispose();
        _block = null;
    }

    private void Send()
    {
        if (_underWay.Count == MostUnderWay)
            EndOldest();
        (IMemoryOwner<byte> block, long offset, int count) = (_block!, _offset, _filled);
        (_block, _filled, _offset) = (null, 0, offset + count);
        Task writing = AsideThread.Run("cairn block", () => file.Write(offset, block.Memory.Span[..count]));
        _underWay.Enqueue((writing, block));
    }

    private void EndOldest(bool isGivenUp = false)
    {
        (Task writing, IMemoryOwner<byte> block) = _underWay.Dequeue();
        try
        {
            writing.GetAwaiter().GetResult();
        }
        catch (Exception) when (isGivenUp)
        {
            // The save has an error of its own, or this one has been thrown.
        }
        finally
        {
            block.Dispose();
        }
    }
}
