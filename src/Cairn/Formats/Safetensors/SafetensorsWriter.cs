using System.Buffers;
using Cairn.State;

namespace Cairn.Formats.Safetensors;

/// <summary>Where a tensor will lie in a file.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Tensor">Its bytes.</param>
/// <param name="Offset">Offset of its first byte in the file; its length is the tensor's <see cref="StateTensor.ByteLength"/>.</param>
public readonly record struct TensorPlacement(string Name, StateTensor Tensor, long Offset);

/// <summary>
/// A safetensors file that is planned to the byte: its length is known, and equal input gives equal bytes. Tensors lie by element
/// size, largest first, and else in the given order, so each is aligned to its element without padding.
/// </summary>
public sealed class SafetensorsWriter
{
    /// <summary>Largest block that <see cref="WriteTo"/> gives at once, in bytes.</summary>
    public const int BlockLength = 8 * 1024 * 1024;

    private readonly byte[] _header;

    private SafetensorsWriter(byte[] header, TensorPlacement[] tensors, long length)
    {
        _header = header;
        Tensors = tensors;
        Length = length;
    }

    /// <summary>The header with its length and padding: the file's first bytes.</summary>
    public ReadOnlyMemory<byte> Header => _header;
    /// <summary>The tensors in file order.</summary>
    public IReadOnlyList<TensorPlacement> Tensors { get; }
    /// <summary>Bytes of the whole file.</summary>
    public long Length { get; }

    /// <summary>Plans a file.</summary>
    /// <param name="tensors">The tensors with their names.</param>
    /// <param name="metadata">Free texts for <c>__metadata__</c>, or <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">A name is reserved, double or not well-formed, or the header would be longer than readers accept.</exception>
    /// <exception cref="OverflowException">The file would be longer than 2^63 bytes.</exception>
    public static SafetensorsWriter Plan(IEnumerable<KeyValuePair<string, StateTensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        // OrderBy is stable; List.Sort is not.
        KeyValuePair<string, StateTensor>[] ordered = [.. tensors.OrderByDescending(t => t.Value.Type.BitsPerElement())];
        var entries = new SafetensorsEntry[ordered.Length];
        long position = 0;
        for (int i = 0; i < ordered.Length; i++)
        {
            (string name, StateTensor tensor) = ordered[i];
            long end = checked(position + tensor.ByteLength);
            entries[i] = new SafetensorsEntry(name, tensor.Type, tensor.Shape, position, end);
            position = end;
        }
        byte[] header = SafetensorsHeader.Write(entries, metadata);
        var placements = new TensorPlacement[ordered.Length];
        for (int i = 0; i < ordered.Length; i++)
            placements[i] = new TensorPlacement(ordered[i].Key, ordered[i].Value, checked(header.Length + entries[i].Begin));
        return new SafetensorsWriter(header, placements, checked(header.Length + position));
    }

    /// <summary>
    /// Gives the file's bytes to a sink, from first to last, in blocks of at most <see cref="BlockLength"/>: without a copy where the tensor
    /// has a span, else through one pooled buffer.
    /// </summary>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    public void WriteTo(BlockSink sink)
    {
        for (int start = 0; start < _header.Length; start += BlockLength)
            sink(_header.AsSpan(start, Math.Min(BlockLength, _header.Length - start)), null, null);
        byte[]? buffer = null;
        try
        {
            foreach (TensorPlacement placement in Tensors)
                WriteTensor(placement, sink, ref buffer);
        }
        finally
        {
            if (buffer is not null)
                ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void WriteTensor(in TensorPlacement placement, BlockSink sink, ref byte[]? buffer)
    {
        StateTensor tensor = placement.Tensor;
        for (long offset = 0; offset < tensor.ByteLength;)
        {
            int length = (int)Math.Min(BlockLength, tensor.ByteLength - offset);
            if (!tensor.TryGetSpan(offset, length, out ReadOnlySpan<byte> bytes))
            {
                buffer ??= ArrayPool<byte>.Shared.Rent(BlockLength);
                tensor.CopyTo(offset, buffer.AsSpan(0, length));
                bytes = buffer.AsSpan(0, length);
            }
            sink(bytes, tensor.Type, placement.Name);
            offset += length;
        }
    }
}
