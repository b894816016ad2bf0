using System.Buffers.Binary;
using System.Text;

namespace Cairn.Formats.Torch;

/// <summary>An entry of a <see cref="StoredZip"/>.</summary>
/// <param name="Name">Its name, in UTF-8.</param>
/// <param name="Length">Bytes of its content.</param>
/// <param name="HeaderOffset">Where its local header begins.</param>
/// <param name="DataOffset">Where its content begins: a multiple of <see cref="StoredZip.Alignment"/>.</param>
internal sealed record StoredZipEntry(byte[] Name, long Length, long HeaderOffset, long DataOffset)
{
    /// <summary>Whether its sizes take 64 bits.</summary>
    public bool IsLong => Length >= uint.MaxValue;
}

/// <summary>
/// A zip archive of stored entries, planned to the byte before any content is read: each content begins at a multiple of 64 bytes, and its CRC-32 follows
/// it in a data descriptor, so that one pass writes it. Padding is the extra field <c>FB</c>, as PyTorch has it
/// (<c>caffe2/serialize/inline_container.cc</c>). Format: PKWARE's APPNOTE.TXT 6.3.10; 64-bit fields only where a value needs them.
/// </summary>
internal sealed class StoredZip
{
    /// <summary>Content begins at multiples of this.</summary>
    public const int Alignment = 64;

    private const int LocalHeaderLength = 30, CentralHeaderLength = 46, EndLength = 22, LongEndLength = 56, LocatorLength = 20;
    private const int ExtraHeaderLength = 4, LongSizesLength = 16;
    private const ushort Utf8Name = 1 << 11, SizesFollow = 1 << 3;
    private const ushort PaddingId = 'F' | ('B' << 8), LongFieldsId = 1;
    // Midnight of 1 January 1980, the earliest date there is: equal content gives equal bytes.
    private const uint Time = 0x0021_0000;

    private readonly List<StoredZipEntry> _entries = [];

    /// <summary>Where the central directory begins.</summary>
    public long DirectoryOffset { get; private set; }
    /// <summary>Bytes of the whole archive.</summary>
    public long Length => checked(DirectoryOffset + DirectoryLength + (NeedsLongEnd ? LongEndLength + LocatorLength : 0) + EndLength);

    private long DirectoryLength { get; set; }
    private bool NeedsLongEnd => _entries.Count >= ushort.MaxValue || DirectoryLength >= uint.MaxValue || DirectoryOffset >= uint.MaxValue;

    /// <summary>Adds an entry at the end.</summary>
    /// <exception cref="ArgumentException">The name is longer than 65,535 bytes.</exception>
    /// <exception cref="OverflowException">The archive would be longer than 2^63 bytes.</exception>
    public StoredZipEntry Add(string name, long length)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        if (bytes.Length > ushort.MaxValue)
            throw new ArgumentException($"An entry's name has {bytes.Length} bytes; zip archives hold at most {ushort.MaxValue}.", nameof(name));
        long header = DirectoryOffset;
        bool isLong = length >= uint.MaxValue;
        long least = checked(header + LocalHeaderLength + bytes.Length + (isLong ? ExtraHeaderLength + LongSizesLength : 0) + ExtraHeaderLength);
        var entry = new StoredZipEntry(bytes, length, header, checked((least + Alignment - 1) / Alignment * Alignment));
        _entries.Add(entry);
        DirectoryOffset = checked(entry.DataOffset + length + DescriptorLength(entry));
        DirectoryLength += CentralHeaderLength + bytes.Length + CentralExtraLength(entry);
        return entry;
    }

    /// <summary>The local header with its padding: all bytes before the content.</summary>
    public static byte[] LocalHeader(StoredZipEntry entry)
    {
        byte[] bytes = new byte[entry.DataOffset - entry.HeaderOffset];
        var fields = new Fields(bytes);
        fields.UInt32(0x0403_4B50);
        Common(ref fields, entry, checksum: 0, length: entry.IsLong ? uint.MaxValue : 0);
        fields.UInt16((ushort)(bytes.Length - LocalHeaderLength - entry.Name.Length));
        fields.Bytes(entry.Name);
        if (entry.IsLong)
        {
            fields.UInt16(LongFieldsId);
            fields.UInt16(LongSizesLength);
            fields.UInt64(0);
            fields.UInt64(0);
        }
        fields.UInt16(PaddingId);
        fields.UInt16((ushort)(bytes.Length - fields.Position - 2));
        bytes.AsSpan(fields.Position).Fill((byte)'Z');
        return bytes;
    }

    /// <summary>The data descriptor: all bytes after the content.</summary>
    public static byte[] Descriptor(StoredZipEntry entry, uint checksum)
    {
        byte[] bytes = new byte[DescriptorLength(entry)];
        var fields = new Fields(bytes);
        fields.UInt32(0x0807_4B50);
        fields.UInt32(checksum);
        for (int i = 0; i < 2; i++)
        {
            if (entry.IsLong)
                fields.UInt64((ulong)entry.Length);
            else
                fields.UInt32((uint)entry.Length);
        }
        return bytes;
    }

    /// <summary>The central directory and the end of the archive: all bytes after the last descriptor.</summary>
    /// <param name="checksums">The CRC-32 of each entry's content.</param>
    public byte[] Directory(ReadOnlySpan<uint> checksums)
    {
        byte[] bytes = new byte[Length - DirectoryOffset];
        var fields = new Fields(bytes);
        for (int i = 0; i < _entries.Count; i++)
            CentralHeader(ref fields, _entries[i], checksums[i]);
        if (NeedsLongEnd)
            LongEnd(ref fields);
        ushort count = (ushort)Math.Min(_entries.Count, ushort.MaxValue);
        fields.UInt32(0x0605_4B50);
        fields.UInt32(0);
        fields.UInt16(count);
        fields.UInt16(count);
        fields.UInt32((uint)Math.Min(DirectoryLength, uint.MaxValue));
        fields.UInt32((uint)Math.Min(DirectoryOffset, uint.MaxValue));
        fields.UInt16(0);
        return bytes;
    }

    private static void CentralHeader(ref Fields fields, StoredZipEntry entry, uint checksum)
    {
        fields.UInt32(0x0201_4B50);
        fields.UInt16(VersionOf(entry));
        Common(ref fields, entry, checksum, (uint)Math.Min(entry.Length, uint.MaxValue));
        int extra = CentralExtraLength(entry);
        fields.UInt16((ushort)extra);
        fields.UInt16(0);
        fields.UInt16(0);
        fields.UInt16(0);
        fields.UInt32(0);
        fields.UInt32((uint)Math.Min(entry.HeaderOffset, uint.MaxValue));
        fields.Bytes(entry.Name);
        if (extra == 0)
            return;
        fields.UInt16(LongFieldsId);
        fields.UInt16((ushort)(extra - ExtraHeaderLength));
        if (entry.IsLong)
        {
            fields.UInt64((ulong)entry.Length);
            fields.UInt64((ulong)entry.Length);
        }
        if (entry.HeaderOffset >= uint.MaxValue)
            fields.UInt64((ulong)entry.HeaderOffset);
    }

    // What local and central headers share: version, flags, method (stored), time, checksum, both sizes, length of the name.
    private static void Common(ref Fields fields, StoredZipEntry entry, uint checksum, uint length)
    {
        fields.UInt16(VersionOf(entry));
        fields.UInt16(Utf8Name | SizesFollow);
        fields.UInt16(0);
        fields.UInt32(Time);
        fields.UInt32(checksum);
        fields.UInt32(length);
        fields.UInt32(length);
        fields.UInt16((ushort)entry.Name.Length);
    }

    private void LongEnd(ref Fields fields)
    {
        const ushort Version = 45;
        fields.UInt32(0x0606_4B50);
        fields.UInt64(LongEndLength - 12);
        fields.UInt16(Version);
        fields.UInt16(Version);
        fields.UInt32(0);
        fields.UInt32(0);
        fields.UInt64((ulong)_entries.Count);
        fields.UInt64((ulong)_entries.Count);
        fields.UInt64((ulong)DirectoryLength);
        fields.UInt64((ulong)DirectoryOffset);
        fields.UInt32(0x0706_4B50);
        fields.UInt32(0);
        fields.UInt64((ulong)(DirectoryOffset + DirectoryLength));
        fields.UInt32(1);
    }

    private static ushort VersionOf(StoredZipEntry entry) => (ushort)(CentralExtraLength(entry) > 0 ? 45 : 20);

    private static int DescriptorLength(StoredZipEntry entry) => entry.IsLong ? 24 : 16;

    private static int CentralExtraLength(StoredZipEntry entry)
    {
        int fields = (entry.IsLong ? LongSizesLength : 0) + (entry.HeaderOffset >= uint.MaxValue ? sizeof(ulong) : 0);
        return fields == 0 ? 0 : ExtraHeaderLength + fields;
    }

    private ref struct Fields(Span<byte> bytes)
    {
        private readonly Span<byte> _bytes = bytes;

        public int Position { get; private set; }

        public void UInt16(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Next(sizeof(ushort)), value);
        public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Next(sizeof(uint)), value);
        public void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Next(sizeof(ulong)), value);
        public void Bytes(ReadOnlySpan<byte> value) => value.CopyTo(Next(value.Length));

        private Span<byte> Next(int length)
        {
            Span<byte> next = _bytes.Slice(Position, length);
            Position += length;
            return next;
        }
    }
}
