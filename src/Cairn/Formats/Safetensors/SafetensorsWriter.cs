using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Formats.Safetensors;

/// <summary>
/// A safetensors file that is planned to the byte: its length is known, and equal input gives equal bytes. Tensors lie by element
/// size, largest first, and else in the given order, so each is aligned to its element without padding.
/// </summary>
internal sealed class SafetensorsWriter : IRangedContent
{
    private readonly byte[] _header, _entries;

    private SafetensorsWriter(byte[] header, byte[] entries, IReadOnlyList<TensorPlacement> tensors, long length)
    {
        _header = header;
        _entries = entries;
        Tensors = tensors;
        Length = length;
    }

    /// <summary>The header with its length and padding: the file's first bytes.</summary>
    public ReadOnlyMemory<byte> Header => _header;
    /// <summary>The tensors in file order.</summary>
    public IReadOnlyList<TensorPlacement> Tensors { get; }
    /// <summary>Bytes of the whole file.</summary>
    public long Length { get; }
    /// <summary>Whether a file with this header was read back as a resume reads it.</summary>
    public bool WasOpened { get; set; }

    /// <summary>Plans a file.</summary>
    /// <param name="tensors">The tensors with their names.</param>
    /// <param name="metadata">Free texts for <c>__metadata__</c>, or <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">A name is reserved, double or not well-formed, a type is none of the format (C32, C128), or the header would be longer than readers accept.</exception>
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
        byte[] json = SafetensorsHeader.WriteEntries(entries), header = SafetensorsHeader.Write(json, metadata);
        var placements = new TensorPlacement[ordered.Length];
        for (int i = 0; i < ordered.Length; i++)
            placements[i] = new TensorPlacement(ordered[i].Key, ordered[i].Value, checked(header.Length + entries[i].Begin));
        return new SafetensorsWriter(header, json, placements, checked(header.Length + position));
    }

    /// <summary>The file with other metadata.</summary>
    /// <exception cref="ArgumentException">A text is not well-formed, or the header would be longer than readers accept.</exception>
    public SafetensorsWriter With(IReadOnlyDictionary<string, string> metadata)
    {
        byte[] header = SafetensorsHeader.Write(_entries, metadata);
        long moved = header.Length - _header.Length;
        IReadOnlyList<TensorPlacement> tensors = moved == 0 ? Tensors : [.. Tensors.Select(tensor => tensor with { Offset = checked(tensor.Offset + moved) })];
        return new SafetensorsWriter(header, _entries, tensors, checked(Length + moved));
    }

    /// <summary>Gives the file's bytes to a sink, from first to last: without a copy where a tensor has a span, else through one pooled buffer.</summary>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    public void WriteTo(BlockSink sink)
    {
        using var blocks = new BlockWriter(sink);
        blocks.Write(_header);
        foreach (TensorPlacement placement in Tensors)
            blocks.Write(placement.Tensor, placement.Name);
    }

    /// <inheritdoc/>
    public void Read(long offset, Span<byte> destination)
    {
        if (offset < _header.Length)
        {
            int count = (int)Math.Min(destination.Length, _header.Length - offset);
            _header.AsSpan((int)offset, count).CopyTo(destination);
            offset += count;
            destination = destination[count..];
        }
        for (int i = TensorRanges.FirstBehind(Tensors, offset); !destination.IsEmpty; i++)
        {
            (_, StateTensor tensor, long start) = Tensors[i];
            int count = (int)Math.Min(destination.Length, start + tensor.ByteLength - offset);
            tensor.CopyTo(offset - start, destination[..count]);
            offset += count;
            destination = destination[count..];
        }
    }

    /// <inheritdoc/>
    public bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        int first = TensorRanges.FirstBehind(Tensors, offset);
        if (offset < _header.Length || first == Tensors.Count)
            return false;
        (_, StateTensor tensor, long start) = Tensors[first];
        int count = (int)Math.Min(length, start + tensor.ByteLength - offset);
        if (!tensor.TryGetSpan(offset - start, count, out ReadOnlySpan<byte> found))
            return false;
        // Tensors that were captured together lie in memory as they do in the file.
        ref byte origin = ref MemoryMarshal.GetReference(found);
        for (int i = first + 1; count < length && i < Tensors.Count; i++)
        {
            tensor = Tensors[i].Tensor;
            int more = (int)Math.Min(length - count, tensor.ByteLength);
            if (!tensor.TryGetSpan(0, more, out found) || more > 0 && !Unsafe.AreSame(ref Unsafe.Add(ref origin, count), ref MemoryMarshal.GetReference(found)))
                return false;
            count += more;
        }
        bytes = MemoryMarshal.CreateReadOnlySpan(ref origin, count);
        return count == length;
    }
}
