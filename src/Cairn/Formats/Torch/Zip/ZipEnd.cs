using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Cairn.Formats.Torch.Zip;

/// <summary>Where the directory of an archive lies, by the records at the file's end.</summary>
/// <param name="Start">Offset of the directory.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Count">Its entries.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ZipEnd(long Start, long Length, long Count)
{
    public static ZipEnd Read(ZipDirectory archive)
    {
        long fileLength = archive.FileLength;
        if (fileLength < ZipFields.EndLength)
            throw archive.Bad(TorchFault.EndRecord, "the archive has no end record: the file was cut", $"at least {ZipFields.EndLength} bytes", $"{fileLength}");
        Span<byte> end = stackalloc byte[ZipFields.EndLength];
        archive.ReadExactly(fileLength - end.Length, end);
        if (BinaryPrimitives.ReadUInt32LittleEndian(end) != ZipFields.End || BinaryPrimitives.ReadUInt16LittleEndian(end[20..]) != 0)
            throw NoEnd(archive, fileLength);
        long count = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]), length = BinaryPrimitives.ReadUInt32LittleEndian(end[12..]), start = BinaryPrimitives.ReadUInt32LittleEndian(end[16..]);
        if (BinaryPrimitives.ReadUInt16LittleEndian(end[8..]) != count || BinaryPrimitives.ReadUInt32LittleEndian(end[4..]) is not (0 or ZipFields.In64))
            throw archive.Bad(TorchFault.Directory, "the archive is said to lie on several disks", "one", "more");
        var small = new ZipEnd(start, length, count);
        long endsAt = fileLength - ZipFields.EndLength;
        ZipEnd found = Read64(archive, endsAt, small, out long end64) ?? small;
        // An entry takes 46 bytes and a name.
        if (found.Start < 0 || found.Length < 0 || found.Start > end64 || found.Length != end64 - found.Start || found.Count < 0 || found.Count > found.Length / ZipFields.DirectoryEntryLength)
            throw archive.Bad(TorchFault.Directory, "the directory does not lie before the end of the archive", $"one that ends at {end64}", $"{found.Count} entries in {found.Length} bytes at {found.Start}");
        return found;
    }

    /// <summary>The 64-bit end record, when there is one. Both must say the same, where the small one can.</summary>
    private static ZipEnd? Read64(ZipDirectory archive, long endsAt, ZipEnd small, out long end64)
    {
        end64 = endsAt;
        bool isNeeded = small.Start == ZipFields.In64 || small.Length == ZipFields.In64 || small.Count == ZipFields.In64Short;
        Span<byte> locator = stackalloc byte[ZipFields.End64LocatorLength];
        bool isThere = false;
        if (endsAt >= ZipFields.End64LocatorLength + ZipFields.End64Length)
        {
            archive.ReadExactly(endsAt - locator.Length, locator);
            isThere = BinaryPrimitives.ReadUInt32LittleEndian(locator) == ZipFields.End64Locator;
        }
        if (!isThere)
            return !isNeeded ? null : throw archive.Bad(TorchFault.EndRecord, "the archive has no 64-bit end record", "one", "none");
        long position = BinaryPrimitives.ReadInt64LittleEndian(locator[8..]);
        if (position != endsAt - ZipFields.End64LocatorLength - ZipFields.End64Length)
            throw archive.Bad(TorchFault.EndRecord, "the 64-bit end record is not where it should be", $"{endsAt - ZipFields.End64LocatorLength - ZipFields.End64Length}", $"{position}");
        Span<byte> end = stackalloc byte[ZipFields.End64Length];
        archive.ReadExactly(position, end);
        if (BinaryPrimitives.ReadUInt32LittleEndian(end) != ZipFields.End64 || BinaryPrimitives.ReadInt64LittleEndian(end[4..]) != ZipFields.End64Length - 12)
            throw archive.Bad(TorchFault.EndRecord, "the 64-bit end record is malformed", "its signature and length", "others");
        var found = new ZipEnd(BinaryPrimitives.ReadInt64LittleEndian(end[48..]), BinaryPrimitives.ReadInt64LittleEndian(end[40..]), BinaryPrimitives.ReadInt64LittleEndian(end[32..]));
        if (BinaryPrimitives.ReadInt64LittleEndian(end[24..]) != found.Count
            || (small.Start != ZipFields.In64 && small.Start != found.Start) || (small.Length != ZipFields.In64 && small.Length != found.Length)
            || (small.Count != ZipFields.In64Short && small.Count != found.Count))
            throw archive.Bad(TorchFault.EndRecord, "the two end records contradict each other", $"{found.Count} entries in {found.Length} bytes at {found.Start}", $"{small.Count} entries in {small.Length} bytes at {small.Start}");
        end64 = position;
        return found;
    }

    /// <summary>Names the cause: bytes after the archive, or none of its end.</summary>
    private static CorruptTorchFileException NoEnd(ZipDirectory archive, long fileLength)
    {
        byte[] tail = new byte[(int)Math.Min(fileLength, ushort.MaxValue + ZipFields.EndLength)];
        archive.ReadExactly(fileLength - tail.Length, tail);
        int found = tail.AsSpan().LastIndexOf("PK\x05\x06"u8);
        return found >= 0 && found < tail.Length - ZipFields.EndLength
            ? archive.Bad(TorchFault.StrayBytes, "bytes after the end of the archive belong to nothing", "the end record at the end of the file", $"{tail.Length - found - ZipFields.EndLength} bytes more")
            : archive.Bad(TorchFault.EndRecord, "the archive has no end record: the file was cut", "an end record", "other bytes");
    }
}
