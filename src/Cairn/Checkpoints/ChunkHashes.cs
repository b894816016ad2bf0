using System.Globalization;
using System.IO.Hashing;
using System.Text.Json;

namespace Cairn.Checkpoints;

/// <summary>
/// The XXH3-128 of each chunk of a file, in their order, so that several threads make them, and whoever reads a part of the file checks just that one. A file that is not longer than
/// a chunk has one hash.
/// </summary>
internal sealed class ChunkHashes : IEquatable<ChunkHashes>
{
    private const string HashProperty = "xxh3_128", ChunkProperty = "chunk";
    private const int HashDigits = 32;
    private const int ManyChunks = 4096;
    private const long Smallest = 16L << 20, Largest = 64L << 20;

    private readonly UInt128[] _values;

    private ChunkHashes(long chunkBytes, UInt128[] values) => (ChunkBytes, _values) = (values.Length == 1 ? long.MaxValue : chunkBytes, values);

    /// <summary>Of a file that nobody has hashed.</summary>
    public static ChunkHashes None { get; } = new(long.MaxValue, []);

    /// <summary>Bytes of each chunk but the last; no file is as long, when there is one chunk.</summary>
    public long ChunkBytes { get; }

    /// <summary>How many chunks there are.</summary>
    public int Count => _values.Length;

    /// <summary>The hash of a chunk.</summary>
    public UInt128 this[int chunk] => _values[chunk];

    /// <summary>Bytes of the chunks in which a new file of this length is hashed: few enough for a marker, small enough for many threads.</summary>
    public static long ChunkBytesFor(long length)
    {
        long chunk = Smallest;
        while (chunk < Largest && length / chunk > ManyChunks)
            chunk *= 2;
        return chunk;
    }

    /// <summary>How many chunks of this length a file has.</summary>
    public static int CountOf(long length, long chunkBytes) => checked((int)Math.Max(1, length / chunkBytes + (length % chunkBytes == 0 ? 0 : 1)));

    /// <summary>The hashes of chunks that were hashed apart.</summary>
    public static ChunkHashes Of(long chunkBytes, UInt128[] values) => new(chunkBytes, values);

    /// <summary>The one hash of a whole file.</summary>
    public static ChunkHashes Whole(UInt128 hash) => new(long.MaxValue, [hash]);

    /// <summary>The one hash of a whole file that is these bytes.</summary>
    public static ChunkHashes Of(ReadOnlySpan<byte> file) => Whole(XxHash128.HashToUInt128(file));

    /// <summary>A hash as it stands in files and messages: 32 lower-case hexadecimal digits.</summary>
    public static string Text(UInt128 hash) => hash.ToString("x32", CultureInfo.InvariantCulture);

    /// <summary>Reads what <see cref="Write(Utf8JsonWriter)"/> wrote for a file of this length.</summary>
    /// <exception cref="FormatException">It is not that.</exception>
    public static ChunkHashes Read(JsonElement file, long length)
    {
        JsonElement hashes = file.GetProperty(HashProperty);
        if (hashes.ValueKind == JsonValueKind.String)
            return Whole(Parse(hashes));
        long chunkBytes = file.GetProperty(ChunkProperty).GetInt64();
        if (chunkBytes <= 0 || CountOf(length, chunkBytes) != hashes.GetArrayLength())
            throw new FormatException($"{hashes.GetArrayLength()} hashes of chunks of {chunkBytes} bytes are not those of {length} bytes");
        return new ChunkHashes(chunkBytes, [.. hashes.EnumerateArray().Select(Parse)]);
    }

    /// <summary>Writes the properties of a file's object: its one hash, or the length of the chunks and theirs.</summary>
    public void Write(Utf8JsonWriter json)
    {
        if (Count == 1)
        {
            json.WriteString(HashProperty, Text(_values[0]));
            return;
        }
        json.WriteNumber(ChunkProperty, ChunkBytes);
        json.WriteStartArray(HashProperty);
        foreach (UInt128 hash in _values)
            json.WriteStringValue(Text(hash));
        json.WriteEndArray();
    }

    public bool Equals(ChunkHashes? other) => other is not null && ChunkBytes == other.ChunkBytes && _values.AsSpan().SequenceEqual(other._values);

    public override bool Equals(object? obj) => Equals(obj as ChunkHashes);

    public override int GetHashCode() => _values.Length == 0 ? 0 : _values[0].GetHashCode();

    private static UInt128 Parse(JsonElement text)
    {
        string digits = text.GetString() ?? "";
        return digits.Length == HashDigits && digits.All(char.IsAsciiHexDigitLower) ? UInt128.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
            : throw new FormatException($"'{digits}' is no hash");
    }
}
