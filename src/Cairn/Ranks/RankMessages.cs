using System.Text;

namespace Cairn.Ranks;

/// <summary>Reads and writes the small messages of exchanges: little-endian, texts as length and UTF-8.</summary>
internal static class RankMessages
{
    /// <summary>The bytes that are written.</summary>
    public static byte[] Write(Action<BinaryWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true))
            write(writer);
        return stream.ToArray();
    }

    /// <summary>Reads bytes that <see cref="Write(Action{BinaryWriter})"/> made.</summary>
    /// <exception cref="CheckpointException">They are not what is expected.</exception>
    public static T Read<T>(ReadOnlyMemory<byte> bytes, Func<BinaryReader, T> read)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(bytes.ToArray(), writable: false), Encoding.UTF8);
            return read(reader);
        }
        catch (Exception e) when (e is IOException or FormatException or ArgumentException or OverflowException)
        {
            throw new CheckpointException($"A message between ranks cannot be understood: {e.Message} Run the same version on all ranks.", e);
        }
    }

    public static void Write(this BinaryWriter writer, UInt128 value)
    {
        writer.Write((ulong)(value >> 64));
        writer.Write((ulong)value);
    }

    public static UInt128 ReadUInt128(this BinaryReader reader)
    {
        ulong high = reader.ReadUInt64();
        return new UInt128(high, reader.ReadUInt64());
    }

    /// <summary>A name, which may be empty, or none.</summary>
    public static void WriteName(this BinaryWriter writer, string? name)
    {
        writer.Write(name is not null);
        if (name is not null)
            writer.Write(name);
    }

    public static string? ReadName(this BinaryReader reader) => reader.ReadBoolean() ? reader.ReadString() : null;

    public static void WriteList<T>(this BinaryWriter writer, IReadOnlyList<T> items, Action<T> write)
    {
        writer.Write(items.Count);
        for (int i = 0; i < items.Count; i++)
            write(items[i]);
    }

    public static List<T> ReadList<T>(this BinaryReader reader, Func<T> read)
    {
        int count = reader.ReadInt32();
        // A count that is wrong ends at the end of the message, before memory is taken for it.
        var items = new List<T>(Math.Min(count, 1024));
        for (int i = 0; i < count; i++)
            items.Add(read());
        return items;
    }
}
