using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Formats.Safetensors;

/// <summary>A tensor's entry in a safetensors header.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Sizes of the dimensions, outermost first.</param>
/// <param name="Begin">Offset of its first byte from the start of the data.</param>
/// <param name="End">Offset after its last byte from the start of the data.</param>
internal sealed record SafetensorsEntry(string Name, TensorType Type, IReadOnlyList<long> Shape, long Begin, long End)
{
    /// <summary>Bytes of the tensor.</summary>
    public long ByteLength => End - Begin;
}

/// <summary>
/// The header of a safetensors file: 8 bytes of little-endian length, then JSON, then the tensors' bytes without a hole.
/// Format: <see href="https://github.com/huggingface/safetensors#format"/>.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Longest header that is read or written, in bytes; the reference implementation's limit.</summary>
    public const int MaxLength = 100_000_000;
    internal const string MetadataName = "__metadata__";
    internal const int PrefixLength = sizeof(ulong);
    // A page, so that the data can be mapped, and written and read past the system's cache.
    private const int DataAlignment = 4096;

    internal SafetensorsHeader(IReadOnlyList<SafetensorsEntry> tensors, IReadOnlyDictionary<string, string> metadata, long dataOffset)
    {
        Tensors = tensors;
        Metadata = metadata;
        DataOffset = dataOffset;
    }

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<SafetensorsEntry> Tensors { get; }
    /// <summary>The free texts of <c>__metadata__</c>; empty when there are none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }
    /// <summary>Offset in the file at which the data begins.</summary>
    public long DataOffset { get; }

    /// <summary>Reads and verifies a file's header. Memory is bounded by a multiple of the header's length, which is checked against the file first.</summary>
    /// <param name="file">The file.</param>
    /// <param name="path">Its path, for messages.</param>
    /// <exception cref="CorruptSafetensorsException">The header is bad or does not describe the whole file.</exception>
    public static SafetensorsHeader Read(IReadableFile file, string path)
    {
        long fileLength = file.Length;
        if (fileLength < PrefixLength)
            throw new CorruptSafetensorsException(SafetensorsFault.FileTooShort, path, null, "the file is too short for a header", "at least 8 bytes", $"{fileLength} bytes");
        Span<byte> prefix = stackalloc byte[PrefixLength];
        ReadExactly(file, path, 0, prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxLength)
            throw new CorruptSafetensorsException(SafetensorsFault.HeaderTooLarge, path, null, "the header is too large", $"at most {MaxLength} bytes", $"{length} bytes");
        if ((long)length > fileLength - PrefixLength)
            throw new CorruptSafetensorsException(SafetensorsFault.HeaderBeyondFile, path, null, "the header reaches past the end of the file", $"at most {fileLength - PrefixLength} bytes", $"{length} bytes");
        byte[] json = ArrayPool<byte>.Shared.Rent((int)length);
        try
        {
            Span<byte> header = json.AsSpan(0, (int)length);
            ReadExactly(file, path, PrefixLength, header);
            return SafetensorsHeaderParser.Parse(header, path, fileLength);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(json);
        }
    }

    /// <summary>The tensors' part of a header, as an object of its own. Equal input gives equal bytes.</summary>
    /// <param name="tensors">The tensors in the order of their bytes.</param>
    /// <exception cref="ArgumentException">A name is reserved, double or not well-formed, or a type is none of the format (C32, C128).</exception>
    public static byte[] WriteEntries(IReadOnlyList<SafetensorsEntry> tensors) => JsonBytes.Write(JsonBytes.Dense, json =>
    {
        json.WriteStartObject();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (SafetensorsEntry tensor in tensors)
        {
            if (tensor.Name == MetadataName)
                throw new ArgumentException($"'{MetadataName}' is reserved and cannot name a tensor.", nameof(tensors));
            if (!names.Add(tensor.Name))
                throw new ArgumentException($"Two tensors are named '{tensor.Name}'.", nameof(tensors));
            WriteEntry(json, tensor);
        }
        json.WriteEndObject();
    });

    /// <summary>
    /// The header's bytes, length included, padded with spaces so that the data begins at a multiple of 4096 bytes.
    /// Equal input gives equal bytes: metadata by ordinal order of its keys, then the tensors.
    /// </summary>
    /// <param name="entries">What <see cref="WriteEntries"/> gave.</param>
    /// <param name="metadata">Free texts, or <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">A text is not well-formed, or the header would be too long.</exception>
    public static byte[] Write(ReadOnlySpan<byte> entries, IReadOnlyDictionary<string, string>? metadata = null)
    {
        byte[] written = JsonBytes.Write(JsonBytes.Dense, json =>
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
                WriteMetadata(json, metadata);
            json.WriteEndObject();
        });
        // The two objects become one.
        ReadOnlySpan<byte> texts = written.AsSpan()[..^1];
        ReadOnlySpan<byte> between = texts.Length > 1 && entries.Length > "{}".Length ? ","u8 : [], rest = entries[1..];
        int length = PrefixLength + texts.Length + between.Length + rest.Length, padded = (length + DataAlignment - 1) / DataAlignment * DataAlignment;
        if (padded - PrefixLength > MaxLength)
            throw new ArgumentException($"The header takes {padded - PrefixLength} bytes, more than the {MaxLength} that readers accept. Use fewer tensors or less metadata per file.", nameof(entries));
        byte[] header = new byte[padded];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(padded - PrefixLength));
        Span<byte> left = header.AsSpan(PrefixLength);
        texts.CopyTo(left);
        between.CopyTo(left = left[texts.Length..]);
        rest.CopyTo(left = left[between.Length..]);
        left[rest.Length..].Fill((byte)' ');
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        json.WriteStartObject(MetadataName);
        foreach (KeyValuePair<string, string> text in metadata.OrderBy(t => t.Key, StringComparer.Ordinal))
            json.WriteString(WellFormedText.OrThrow(text.Key), WellFormedText.OrThrow(text.Value));
        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, SafetensorsEntry tensor)
    {
        json.WriteStartObject(WellFormedText.OrThrow(tensor.Name));
        json.WriteString("dtype", SafetensorsTypeNames.Name(tensor.Type, tensor.Name));
        json.WriteStartArray("shape");
        foreach (long size in tensor.Shape)
            json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(tensor.Begin);
        json.WriteNumberValue(tensor.End);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    internal static void ReadExactly(IReadableFile file, string path, long offset, Span<byte> destination, string? tensor = null)
    {
        int done = 0;
        while (done < destination.Length)
        {
            int read = file.Read(offset + done, destination[done..]);
            if (read <= 0)
                throw new CorruptSafetensorsException(SafetensorsFault.Truncated, path, tensor, $"the file ends at {offset + done} while it is being read", $"{destination.Length} bytes at {offset}", $"{done} bytes");
            done += read;
        }
    }
}
