using Cairn.Formats;
using Cairn.Formats.Safetensors;
using Cairn.Stores;

namespace Cairn.Cli.Listing;

/// <summary>What a single file is, and whether it came to its end, as far as a look at both of its ends can tell.</summary>
/// <param name="Signature">What its bytes say.</param>
/// <param name="Fault">What is wrong with it; <see langword="null"/> when nothing is seen.</param>
internal sealed record FileEnds(FileSignature Signature, string? Fault)
{
    public const string Safetensors = ".safetensors";

    // APPNOTE.TXT, 4.3.7 and 4.3.16; PyTorch writes no comment after the end record.
    private const int EndRecord = 22;
    private static readonly string[] TorchEndings = [".pt", ".pth", ".bin", ".ckpt", ".pt.tar", ".pth.tar", ".pt.gz", ".pth.gz", ".ckpt.gz"];

    private static ReadOnlySpan<byte> ZipEnd => "PK\u0005\u0006"u8;

    /// <summary>Whether a name claims that PyTorch saved the file.</summary>
    public static bool ClaimsTorch(string name) => Array.Exists(TorchEndings, ending => name.EndsWith(ending, StringComparison.Ordinal));

    /// <summary>Whether a name claims that the file holds state.</summary>
    public static bool ClaimsState(string name) => ClaimsTorch(name) || name.EndsWith(Safetensors, StringComparison.Ordinal);

    /// <summary>Looks at a file.</summary>
    public static FileEnds Of(FileInfo file)
    {
        FileSignature signature = default;
        try
        {
            using IReadableFile opened = new LocalFileSystem(file.DirectoryName!).OpenRead(file.Name);
            signature = FileSignature.Of(opened);
            return new FileEnds(signature, signature.Kind switch
            {
                FileFormat.TorchZip => OfZip(opened),
                FileFormat.TorchLegacy or FileFormat.TorchGzip or FileFormat.Pickle => null,
                FileFormat.Safetensors => OfSafetensors(opened, file.Name),
                FileFormat.Unknown when file.Name.EndsWith(Safetensors, StringComparison.Ordinal) => OfSafetensors(opened, file.Name),
                _ => $"it is {signature.What}. {signature.Advice}",
            });
        }
        catch (FileNotFoundException) when (file.Name.Contains('\uFFFD', StringComparison.Ordinal))
        {
            return new FileEnds(signature, "its name is not UTF-8, so it cannot be opened. Rename it");
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            return new FileEnds(signature, e.Message);
        }
    }

    private static string? OfZip(IReadableFile file)
    {
        byte[] end = new byte[ZipEnd.Length];
        if (file.Length >= EndRecord)
            file.Read(file.Length - EndRecord, end);
        return end.AsSpan().SequenceEqual(ZipEnd) ? null : "the file ends early: its directory is missing";
    }

    private static string? OfSafetensors(IReadableFile file, string name)
    {
        SafetensorsHeader.Read(file, name);
        return null;
    }
}
