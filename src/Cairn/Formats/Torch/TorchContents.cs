using System.Buffers;
using System.Globalization;
using Cairn.Formats.Torch.Pickle;
using Cairn.Formats.Torch.Zip;
using Cairn.Stores;

namespace Cairn.Formats.Torch;

/// <summary>What a file of PyTorch holds: its values, its storages, and the directory of its records when it has one.</summary>
internal sealed class TorchContents
{
    private const int BlockLength = 1 << 20;

    public required TorchValue Root { get; init; }
    /// <summary>The storage, when the file holds nothing else.</summary>
    public StorageReference? BareStorage { get; init; }
    public required OrderedDictionary<string, TorchStorage> Storages { get; init; }
    public ZipDirectory? Archive { get; init; }
    public bool HasChecksums => Archive is { HasChecksums: true };

    public TorchContents WithoutRoot() => new() { Root = TorchScalar.None, Storages = Storages, Archive = Archive };

    public static TorchContents Read(IReadableFile file, string path, TorchReadOptions options, bool isNested = false)
    {
        Span<byte> start = stackalloc byte[4];
        if (file.Length < start.Length)
            throw new CorruptTorchFileException(TorchFault.NotTorch, path, "the file is too short", "a zip archive or a pickle", $"{file.Length} bytes");
        var archive = new FileReader(file, path);
        archive.Read(0, start);
        if (start is [(byte)'P', (byte)'K', _, _])
            return TorchZipReader.Read(file, path, options, isNested);
        if (IsTar(archive))
            throw new CorruptTorchFileException(TorchFault.Tar, path, "it has the tar format of PyTorch before 0.1.10, which is not read", "a zip archive or a pickle", "a tar archive", "Load it with PyTorch and save it again.");
        return TorchLegacyReader.Read(file, path, options, isNested);
    }

    private static bool IsTar(FileReader file)
    {
        const int magicOffset = 257;
        Span<byte> magic = stackalloc byte[5];
        if (file.Length < magicOffset + magic.Length)
            return false;
        file.Read(magicOffset, magic);
        return magic.SequenceEqual("ustar"u8);
    }

    public void Verify(IReadableFile file, string path, CancellationToken cancellationToken) => Verify(new FileReader(file, path), Archive, cancellationToken);

    /// <summary>As <see cref="Verify(IReadableFile, string, CancellationToken)"/>, for a file whose values are not read. Says whether there were checksums.</summary>
    public static bool VerifyRecords(IReadableFile file, string path, CancellationToken cancellationToken)
    {
        var reader = new FileReader(file, path);
        ZipDirectory? archive = FileSignature.Of(file).Kind == FileFormat.TorchZip ? ZipDirectory.Read(reader) : null;
        Verify(reader, archive, cancellationToken);
        return archive is { HasChecksums: true };
    }

    private static void Verify(FileReader reader, ZipDirectory? archive, CancellationToken cancellationToken)
    {
        if (archive is not { HasChecksums: true })
        {
            Checksum(reader, 0, reader.Length, cancellationToken);
            return;
        }
        foreach (ZipRecord record in archive.Records)
            Check(reader, record, cancellationToken);
    }

    /// <summary>Compares a record with its checksum.</summary>
    public static void Check(FileReader file, ZipRecord record, CancellationToken cancellationToken = default)
    {
        // That of what it is unpacked: of code, which is not read.
        if (record.IsCompressed)
            return;
        uint crc = Checksum(file, record.Start, record.Length, cancellationToken);
        if (crc != record.Crc32)
            throw new CorruptTorchFileException(TorchFault.Checksum, file.Path, $"the checksum of record '{CorruptTorchFileException.Shorten(record.Name)}' is wrong: its bytes were altered",
                record.Crc32.ToString("x8", CultureInfo.InvariantCulture), crc.ToString("x8", CultureInfo.InvariantCulture));
    }

    private static uint Checksum(FileReader file, long start, long length, CancellationToken cancellationToken)
    {
        var crc = new ZipChecksum();
        byte[] block = ArrayPool<byte>.Shared.Rent((int)Math.Min(BlockLength, length));
        try
        {
            for (long done = 0; done < length;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Span<byte> part = block.AsSpan(0, (int)Math.Min(block.Length, length - done));
                file.Read(start + done, part);
                crc.Append(part);
                done += part.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
        return crc.Finish();
    }
}
