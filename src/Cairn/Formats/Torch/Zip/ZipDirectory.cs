using System.Buffers.Binary;
using System.Text;

namespace Cairn.Formats.Torch.Zip;

/// <summary>
/// The records of a zip archive of stored records. Every byte of the file must belong to exactly one of: a record with its header and
/// descriptor, the directory, the end records. So no two readers can see different files in it.
/// </summary>
internal sealed class ZipDirectory
{
    private const int MaxNameLength = 1024;
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Dictionary<string, ZipRecord> _records = new(StringComparer.OrdinalIgnoreCase);
    private readonly FileReader _file;

    private ZipDirectory(FileReader file) => _file = file;

    /// <summary>The records in the order of the directory; folders are left out.</summary>
    public IReadOnlyCollection<ZipRecord> Records => _records.Values;

    /// <summary>Whether the checksums were computed. PyTorch can leave them out (<c>set_crc32_options(False)</c>) and then writes zeros.</summary>
    public bool HasChecksums { get; private set; }

    /// <summary>A record of exactly this name.</summary>
    public ZipRecord? Find(string name) => _records.TryGetValue(name, out ZipRecord record) && record.Name == name ? record : null;

    /// <exception cref="CorruptTorchFileException">The archive is bad.</exception>
    public static ZipDirectory Read(FileReader file)
    {
        var directory = new ZipDirectory(file);
        directory.Read();
        return directory;
    }

    private void Read()
    {
        ZipEnd end = ZipEnd.Read(this);
        var records = new List<(long Header, long End, string Name)>((int)end.Count);
        var reader = new ZipWindow(this, end.Start, end.Start + end.Length);
        for (long i = 0; i < end.Count; i++)
        {
            DirectoryEntry entry = ReadEntry(reader);
            if (entry.Header > end.Start)
                throw Bad(TorchFault.OverlappingRecords, $"record '{Short(entry.Name)}' lies beyond the directory", $"a start before {end.Start}", $"{entry.Header}");
            (ZipRecord record, long recordEnd) = ReadHeader(entry, end.Start);
            records.Add((entry.Header, recordEnd, entry.Name));
            HasChecksums |= entry.Crc32 != 0;
            if (!_records.TryAdd(entry.Name.TrimEnd('/'), record))
                throw Bad(TorchFault.DuplicateRecord, $"the name '{Short(entry.Name)}' stands twice in the archive", "each name once, whatever its case", "two records");
        }
        if (reader.Remaining != 0)
            throw Bad(TorchFault.Directory, "the directory goes on after its last entry", $"{end.Count} entries in {end.Length} bytes", $"{reader.Remaining} bytes more");
        foreach (string folder in records.Where(r => r.Name.EndsWith('/')).Select(r => r.Name.TrimEnd('/')).ToList())
            _records.Remove(folder);
        CheckPlaces(records, end.Start);
    }

    // Of a record that is not compressed both lengths are the same.
    private readonly record struct DirectoryEntry(string Name, int Flags, uint Crc32, long Stored, long Length, long Header, bool Is64)
    {
        public int Method { get; init; }
    }

    private DirectoryEntry ReadEntry(ZipWindow reader)
    {
        ReadOnlySpan<byte> entry = reader.Read(ZipFields.DirectoryEntryLength);
        if (BinaryPrimitives.ReadUInt32LittleEndian(entry) != ZipFields.DirectoryEntry)
            throw Bad(TorchFault.Directory, "an entry of the directory is malformed", "its signature", Convert.ToHexString(entry[..4]));
        int flags = BinaryPrimitives.ReadUInt16LittleEndian(entry[8..]), method = BinaryPrimitives.ReadUInt16LittleEndian(entry[10..]);
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]);
        long stored = BinaryPrimitives.ReadUInt32LittleEndian(entry[20..]), length = BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]);
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(entry[28..]), extraLength = BinaryPrimitives.ReadUInt16LittleEndian(entry[30..]), commentLength = BinaryPrimitives.ReadUInt16LittleEndian(entry[32..]);
        int disk = BinaryPrimitives.ReadUInt16LittleEndian(entry[34..]);
        long header = BinaryPrimitives.ReadUInt32LittleEndian(entry[42..]);
        string name = Name(reader.Read(nameLength));
        bool is64 = stored == ZipFields.In64 || length == ZipFields.In64 || header == ZipFields.In64;
        if (!ReadExtra(name, reader.Read(extraLength), ref length, ref stored, ref header))
            throw Bad(TorchFault.Directory, $"the entry of record '{Short(name)}' lacks its 64-bit sizes", "a zip64 field", "none or a short one");
        reader.Read(commentLength);
        if ((flags & ZipFields.Encrypted) != 0)
            throw Bad(TorchFault.EncryptedRecord, $"record '{Short(name)}' is encrypted", "plain bytes", "encrypted ones");
        // The one kind of record of PyTorch's that is compressed; nobody reads it.
        bool isCode = method == ZipFields.Deflated && TorchZipReader.IsCode(name);
        if (method != 0 && !isCode)
            throw Bad(TorchFault.CompressedRecord, $"record '{Short(name)}' is compressed, which PyTorch never does", "stored bytes (method 0)", $"method {method}");
        if ((stored != length && !isCode) || stored < 0 || header < 0 || length < 0 || disk != 0)
            throw Bad(TorchFault.Directory, $"the entry of record '{Short(name)}' contradicts itself", $"{length} stored bytes on one disk", $"{stored}");
        if (name.EndsWith('/') && length != 0)
            throw Bad(TorchFault.RecordName, $"folder '{Short(name)}' has bytes", "none", $"{length}");
        return new DirectoryEntry(name, flags, crc, stored, length, header, is64) { Method = method };
    }

    /// <summary>The fields that do not fit 32 bits stand in an extra field, in this order; returns whether those that say so do.</summary>
    private bool ReadExtra(string name, ReadOnlySpan<byte> extra, ref long length, ref long stored, ref long header)
    {
        bool isMissing = length == ZipFields.In64 || stored == ZipFields.In64 || header == ZipFields.In64;
        while (extra.Length >= 4)
        {
            int id = BinaryPrimitives.ReadUInt16LittleEndian(extra), size = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            extra = extra[4..];
            if (size > extra.Length)
                break;
            if (id == ZipFields.UnicodeNameExtra)
                throw Bad(TorchFault.RecordName, $"record '{Short(name)}' has a second name, which other programs take instead", "one name", "an extra field with another");
            if (id == ZipFields.Zip64Extra && isMissing)
            {
                ReadOnlySpan<byte> fields = extra[..size];
                if (!Take(ref fields, ref length) || !Take(ref fields, ref stored) || !Take(ref fields, ref header))
                    break;
                isMissing = false;
            }
            extra = extra[size..];
        }
        return !isMissing;
    }

    private static bool Take(ref ReadOnlySpan<byte> fields, ref long value)
    {
        if (value != ZipFields.In64)
            return true;
        if (fields.Length < 8)
            return false;
        value = BinaryPrimitives.ReadInt64LittleEndian(fields);
        fields = fields[8..];
        return true;
    }

    /// <summary>Compares a record's own header, and the descriptor behind it, with the directory.</summary>
    private (ZipRecord Record, long End) ReadHeader(DirectoryEntry entry, long directoryStart)
    {
        Span<byte> header = stackalloc byte[ZipFields.LocalHeaderLength];
        ReadWithin(entry, entry.Header, header, directoryStart);
        int flags = BinaryPrimitives.ReadUInt16LittleEndian(header[6..]), nameLength = BinaryPrimitives.ReadUInt16LittleEndian(header[26..]), extraLength = BinaryPrimitives.ReadUInt16LittleEndian(header[28..]);
        bool hasDescriptor = (flags & ZipFields.HasDescriptor) != 0;
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != ZipFields.LocalHeader || flags != entry.Flags || BinaryPrimitives.ReadUInt16LittleEndian(header[8..]) != entry.Method)
            throw Differs(entry, "signature, flags and method");
        byte[] expected = Encoding.UTF8.GetBytes(entry.Name);
        if (nameLength != expected.Length)
            throw Differs(entry, "name");
        byte[] name = new byte[expected.Length];
        ReadWithin(entry, entry.Header + header.Length, name, directoryStart);
        if (!name.AsSpan().SequenceEqual(expected))
            throw Differs(entry, "name");
        long start = entry.Header + header.Length + nameLength + extraLength;
        if (entry.Stored > directoryStart - start)
            throw Bad(TorchFault.OverlappingRecords, $"record '{Short(entry.Name)}' reaches beyond the directory", $"an end before {directoryStart}", $"{entry.Stored} bytes at {start}");
        long end = start + entry.Stored;
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(header[14..]);
        long stored = BinaryPrimitives.ReadUInt32LittleEndian(header[18..]), length = BinaryPrimitives.ReadUInt32LittleEndian(header[22..]), none = 0;
        if (stored == ZipFields.In64 || length == ZipFields.In64)
        {
            byte[] extra = new byte[extraLength];
            ReadWithin(entry, start - extraLength, extra, directoryStart);
            if (!ReadExtra(entry.Name, extra, ref length, ref stored, ref none))
                throw Differs(entry, "sizes and checksum");
        }
        // With a descriptor, the header was written before the sizes were known, or repeats them.
        bool sizesFit = stored == entry.Stored && length == entry.Length;
        if (hasDescriptor ? !((stored == 0 && length == 0) || sizesFit) || (crc != 0 && crc != entry.Crc32) : !sizesFit || crc != entry.Crc32)
            throw Differs(entry, "sizes and checksum");
        if (hasDescriptor)
            end += DescriptorLength(entry, end, directoryStart);
        return (new ZipRecord(entry.Name, start, entry.Stored, entry.Crc32) { IsCompressed = entry.Method != 0 }, end);
    }

    private int DescriptorLength(DirectoryEntry entry, long offset, long directoryStart)
    {
        Span<byte> descriptor = stackalloc byte[24];
        descriptor = descriptor[..(int)Math.Min(descriptor.Length, directoryStart - offset)];
        ReadWithin(entry, offset, descriptor, directoryStart);
        if (descriptor.Length >= 16 && BinaryPrimitives.ReadUInt32LittleEndian(descriptor) == ZipFields.DataDescriptor
            && BinaryPrimitives.ReadUInt32LittleEndian(descriptor[4..]) == entry.Crc32)
        {
            // The sizes take 8 bytes in zip64, which the writer may have chosen whatever they are. What follows the descriptor tells.
            if (descriptor.Length == 24 && BinaryPrimitives.ReadInt64LittleEndian(descriptor[8..]) == entry.Stored && BinaryPrimitives.ReadInt64LittleEndian(descriptor[16..]) == entry.Length
                && (entry.Is64 || entry.Length > 0 || !StartsRecord(offset + 16, directoryStart)))
                return 24;
            if (BinaryPrimitives.ReadUInt32LittleEndian(descriptor[8..]) == entry.Stored && BinaryPrimitives.ReadUInt32LittleEndian(descriptor[12..]) == entry.Length)
                return 16;
        }
        throw Differs(entry, "descriptor");
    }

    private bool StartsRecord(long offset, long directoryStart)
    {
        if (offset == directoryStart)
            return true;
        Span<byte> signature = stackalloc byte[4];
        ReadExactly(offset, signature);
        return BinaryPrimitives.ReadUInt32LittleEndian(signature) == ZipFields.LocalHeader;
    }

    private void CheckPlaces(List<(long Header, long End, string Name)> records, long directoryStart)
    {
        records.Sort((a, b) => a.Header.CompareTo(b.Header));
        long position = 0;
        foreach ((long header, long end, string name) in records)
        {
            if (header < position)
                throw Bad(TorchFault.OverlappingRecords, $"record '{Short(name)}' overlaps the one before", $"a start at {position}", $"{header}");
            if (header > position)
                throw Bad(TorchFault.StrayBytes, $"bytes before record '{Short(name)}' belong to nothing", $"a start at {position}", $"{header}");
            position = end;
        }
        if (position != directoryStart)
            throw Bad(TorchFault.StrayBytes, "bytes before the directory belong to nothing", $"the directory at {position}", $"{directoryStart}");
    }

    private string Name(ReadOnlySpan<byte> utf8)
    {
        string name;
        try
        {
            name = utf8.Length <= MaxNameLength ? StrictUtf8.GetString(utf8)
                : throw Bad(TorchFault.RecordName, "the name of a record is too long", $"at most {MaxNameLength} bytes", $"{utf8.Length}");
        }
        catch (DecoderFallbackException e)
        {
            throw new CorruptTorchFileException(TorchFault.RecordName, _file.Path, "the name of a record is not UTF-8", "UTF-8", "other bytes", cause: e);
        }
        ReadOnlySpan<char> parts = name.EndsWith('/') ? name.AsSpan(0, name.Length - 1) : name;
        // PyTorch calls the folder of all records as the file was called, and gives the names in it itself.
        ReadOnlySpan<char> own = parts[(parts.IndexOf('/') + 1)..];
        bool good = !parts.IsEmpty && !parts.Contains('\0') && !own.ContainsAny('\\', ':');
        foreach (Range part in parts.Split('/'))
            good &= parts[part] is not ("" or "." or "..");
        return good ? name : throw Bad(TorchFault.RecordName, "a record's name leads out of the archive or is no good name", "names joined by single '/'", $"'{name}'");
    }

    private void ReadWithin(DirectoryEntry entry, long offset, Span<byte> destination, long limit)
    {
        if (destination.Length > limit - offset)
            throw Bad(TorchFault.OverlappingRecords, $"the header of record '{Short(entry.Name)}' reaches into the directory", $"an end before {limit}", $"{destination.Length} bytes at {offset}");
        ReadExactly(offset, destination);
    }

    internal long FileLength => _file.Length;

    internal void ReadExactly(long offset, Span<byte> destination) => _file.Read(offset, destination);

    private CorruptTorchFileException Differs(DirectoryEntry entry, string what) =>
        Bad(TorchFault.RecordHeader, $"the header of record '{Short(entry.Name)}' contradicts the directory", $"the same {what}", "others");

    internal CorruptTorchFileException Bad(TorchFault fault, string what, string expected, string found) => new(fault, _file.Path, what, expected, found);

    private static string Short(string name) => CorruptTorchFileException.Shorten(name);
}
