using Cairn.Formats.Safetensors;
using Cairn.Storage;

namespace Cairn.Cli.Listing;

/// <summary>Whether a single file came to its end, as far as a look at both of its ends can tell.</summary>
internal static class FileEnds
{
    // APPNOTE.TXT, 4.3.7 and 4.3.16; PyTorch writes no comment after the end record.
    private const int EndRecord = 22;
    private static ReadOnlySpan<byte> ZipStart => "PK\u0003\u0004"u8;
    private static ReadOnlySpan<byte> ZipEnd => "PK\u0005\u0006"u8;

    /// <summary>What is wrong with a file of PyTorch; <see langword="null"/> when nothing is seen.</summary>
    public static string? OfTorch(FileInfo file) => Look(file, opened =>
    {
        if (opened.Length == 0)
            return "the file is empty";
        Span<byte> start = stackalloc byte[4], end = stackalloc byte[4];
        opened.Read(0, start);
        if (!start.SequenceEqual(ZipStart))
            return null;
        if (opened.Length < EndRecord)
            return "the file ends early";
        opened.Read(opened.Length - EndRecord, end);
        return end.SequenceEqual(ZipEnd) ? null : "the file ends early: its directory is missing";
    });

    /// <summary>What is wrong with a safetensors file; <see langword="null"/> when its header fits its length.</summary>
    public static string? OfSafetensors(FileInfo file) => Look(file, opened =>
    {
        SafetensorsHeader.Read(opened, file.Name);
        return null;
    });

    private static string? Look(FileInfo file, Func<IReadableFile, string?> look)
    {
        try
        {
            using IReadableFile opened = new LocalFileSystem(file.DirectoryName!).OpenRead(file.Name);
            return look(opened);
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }
}
