using System.Buffers;
using Cairn.State;

namespace Cairn.Formats;

/// <summary>Cuts what a file is made of into blocks for a <see cref="BlockSink"/>.</summary>
public sealed class BlockWriter(BlockSink sink) : IDisposable
{
    /// <summary>Largest block, in bytes.</summary>
    public const int BlockLength = 8 * 1024 * 1024;

    private byte[]? _buffer;

    /// <summary>Bytes written so far.</summary>
    public long Position { get; private set; }

    /// <summary>Writes bytes that belong to no tensor.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        for (int start = 0; start < bytes.Length; start += BlockLength)
            sink(bytes.Slice(start, Math.Min(BlockLength, bytes.Length - start)), null, null);
        Position += bytes.Length;
    }

    /// <summary>Writes a whole tensor: without a copy where it has a span, else through one pooled buffer.</summary>
    /// <exception cref="CheckpointException">The tensor comes from a file that could not be read.</exception>
    public void Write(StateTensor tensor, string name)
    {
        for (long offset = 0; offset < tensor.ByteLength;)
        {
            int length = (int)Math.Min(BlockLength, tensor.ByteLength - offset);
            if (!tensor.TryGetSpan(offset, length, out ReadOnlySpan<byte> bytes))
            {
                _buffer ??= ArrayPool<byte>.Shared.Rent(BlockLength);
                tensor.CopyTo(offset, _buffer.AsSpan(0, length));
                bytes = _buffer.AsSpan(0, length);
            }
            sink(bytes, tensor.Type, name);
            offset += length;
        }
        Position += tensor.ByteLength;
    }

    /// <summary>Gives the buffer back.</summary>
    public void Dispose()
    {
        if (_buffer is null)
            return;
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null;
    }
}
