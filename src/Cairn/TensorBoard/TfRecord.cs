using System.Buffers.Binary;
using System.Numerics;

namespace Cairn.TensorBoard;

/// <summary>
/// TensorFlow's record framing, as <c>tensorflow/core/lib/io/record_writer.h</c> describes it: length (64 bits), its masked CRC-32C, the data, its masked CRC-32C; little-endian. A file is one record after
/// the other, and nothing else.
/// </summary>
internal static class TfRecord
{
    private const int LengthBytes = sizeof(ulong), CrcBytes = sizeof(uint);

    /// <summary>The record that holds these bytes.</summary>
    public static byte[] Of(ReadOnlySpan<byte> data)
    {
        byte[] record = new byte[LengthBytes + CrcBytes + data.Length + CrcBytes];
        Span<byte> length = record.AsSpan(0, LengthBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(LengthBytes), MaskedCrc(length));
        data.CopyTo(record.AsSpan(LengthBytes + CrcBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(record.Length - CrcBytes), MaskedCrc(data));
        return record;
    }

    // Masked, since the CRC of data that holds CRCs itself says little (tensorflow/core/lib/hash/crc32c.h).
    private static uint MaskedCrc(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        foreach (byte one in data)
            crc = BitOperations.Crc32C(crc, one);
        return unchecked(BitOperations.RotateRight(~crc, 15) + 0xa282ead8);
    }
}
