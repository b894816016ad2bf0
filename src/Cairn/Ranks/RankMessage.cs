using System.Buffers.Binary;
using System.Text;

namespace Cairn.Ranks;

/// <summary>What a message between ranks says.</summary>
internal enum RankMessageKind : byte
{
    /// <summary>To the first rank: I am here; the payload is my part.</summary>
    Part = 1,
    /// <summary>To the first rank: I cannot take part; the payload is why, as text.</summary>
    Failure = 2,
    /// <summary>From the first rank: not yet; the payload lists who is missing.</summary>
    Waiting = 3,
    /// <summary>From the first rank: the decision.</summary>
    Decision = 4,
    /// <summary>From the first rank: given up; the payload lists who is missing.</summary>
    TimedOut = 5,
    /// <summary>From the first rank: a rank failed; the payload is the rank and the error.</summary>
    Failed = 6,
    /// <summary>From the first rank: a rank is elsewhere; the payload is the rank and its purpose.</summary>
    OutOfOrder = 7,
}

/// <summary>
/// A message between ranks: <c>channel i32, call i64, kind u8, purpose length u16, purpose UTF-8, payload</c>, little-endian.
/// </summary>
internal readonly record struct RankMessage(int Channel, long Call, RankMessageKind Kind, string Purpose, ReadOnlyMemory<byte> Payload)
{
    private const int HeaderLength = 15;

    public byte[] Encode()
    {
        int purpose = Encoding.UTF8.GetByteCount(Purpose);
        if (purpose > ushort.MaxValue)
            throw new InvalidOperationException($"A purpose of {purpose} bytes is no short text.");
        byte[] bytes = new byte[checked(HeaderLength + purpose + Payload.Length)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, Channel);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(4), Call);
        bytes[12] = (byte)Kind;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(13), (ushort)purpose);
        Encoding.UTF8.GetBytes(Purpose, bytes.AsSpan(HeaderLength));
        Payload.Span.CopyTo(bytes.AsSpan(HeaderLength + purpose));
        return bytes;
    }

    public static RankMessage Decode(byte[] bytes, int from)
    {
        if (bytes.Length < HeaderLength || bytes.Length < HeaderLength + BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(13)))
            throw new CheckpointException($"Rank {from} sent {bytes.Length} bytes that are no message of this program. Run the same version on all ranks.") { Rank = from };
        int purpose = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(13));
        return new RankMessage(
            BinaryPrimitives.ReadInt32LittleEndian(bytes), BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(4)), (RankMessageKind)bytes[12],
            Encoding.UTF8.GetString(bytes, HeaderLength, purpose), bytes.AsMemory(HeaderLength + purpose));
    }

    public static byte[] PackRanks(IReadOnlyList<int> ranks)
    {
        byte[] bytes = new byte[ranks.Count * 4];
        for (int i = 0; i < ranks.Count; i++)
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(i * 4), ranks[i]);
        return bytes;
    }

    public int[] Ranks()
    {
        int[] ranks = new int[Payload.Length / 4];
        for (int i = 0; i < ranks.Length; i++)
            ranks[i] = BinaryPrimitives.ReadInt32LittleEndian(Payload.Span[(i * 4)..]);
        return ranks;
    }

    public static byte[] PackText(int rank, string text)
    {
        byte[] bytes = new byte[4 + Encoding.UTF8.GetByteCount(text)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, rank);
        Encoding.UTF8.GetBytes(text, bytes.AsSpan(4));
        return bytes;
    }

    public (int Rank, string Text) Text() =>
        (BinaryPrimitives.ReadInt32LittleEndian(Payload.Span), Encoding.UTF8.GetString(Payload.Span[4..]));

    public static byte[] PackParts(IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        byte[] bytes = new byte[parts.Aggregate(0, (sum, part) => checked(sum + 4 + part.Length))];
        int at = 0;
        foreach (ReadOnlyMemory<byte> part in parts)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), part.Length);
            part.Span.CopyTo(bytes.AsSpan(at + 4));
            at += 4 + part.Length;
        }
        return bytes;
    }

    public static byte[][] UnpackParts(ReadOnlySpan<byte> bytes, int count)
    {
        byte[][] parts = new byte[count][];
        for (int i = 0; i < count; i++)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(bytes);
            parts[i] = bytes.Slice(4, length).ToArray();
            bytes = bytes[(4 + length)..];
        }
        return parts;
    }
}
