using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Cairn.Formats.Safetensors;
using Cairn.Stores;

namespace Cairn.Formats;

/// <summary>
/// What a file is, found out from its first bytes and its last one; its name has no say. Whatever opens, lists or verifies a file asks this first.
/// </summary>
/// <param name="Kind">The kind.</param>
/// <param name="What">The kind in words that follow "it is".</param>
/// <param name="Advice">What to do when a checkpoint was expected: a sentence.</param>
internal readonly record struct FileSignature(FileFormat Kind, string What, string Advice)
{
    private const int HeadLength = 4096, ExcerptLength = 60, TarMagicOffset = 257, LargestPointer = 2048;
    private const string General = "Give a checkpoint's folder, a .safetensors file or a file of torch.save.";
    private const string Again = "Fetch or save the file again.";

    // The magic number of torch.save before 1.6: as a LONG1 of protocol 2 and later, and as the decimal line of protocols 0 and 1.
    private static ReadOnlySpan<byte> LegacyMagic => [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    private static ReadOnlySpan<byte> LegacyLine => "L119547037146038801333356L\n."u8;

    private static readonly (byte[] Start, string What)[] Others =
    [
        ([0x1f, 0x8b], "a gzip archive"), ([0x28, 0xb5, 0x2f, 0xfd], "a zstd archive"), ([0xfd, .. "7zXZ"u8], "an xz archive"), ([.. "BZh"u8], "a bzip2 archive"),
        ([.. "7z"u8, 0xbc, 0xaf], "a 7z archive"), ([.. "Rar!"u8], "a RAR archive"), ([0x89, .. "PNG"u8], "a PNG picture"), ([0xff, 0xd8, 0xff], "a JPEG picture"),
        ([.. "GIF8"u8], "a GIF picture"), ([.. "RIFF"u8], "a RIFF file (a picture or sound)"), ([.. "%PDF"u8], "a PDF document"), ([0x7f, .. "ELF"u8], "a program or library (ELF)"), ([.. "MZ"u8, 0x90], "a program of Windows"),
        ([0x89, .. "HDF"u8], "an HDF5 file, as Keras writes it"), ([.. "GGUF"u8], "a GGUF model of llama.cpp"), ([0x93, .. "NUMPY"u8], "an array of NumPy"), ([.. "SQLite format 3"u8], "a database of SQLite"), ([.. "PAR1"u8], "a Parquet table"),
    ];

    /// <summary>Whether it is of a kind that holds state which is read.</summary>
    public bool IsReadable => Kind is FileFormat.Safetensors or FileFormat.TorchZip or FileFormat.TorchLegacy or FileFormat.TorchGzip or FileFormat.Pickle;

    /// <summary>Looks at a file's bytes; at most a few thousand are read.</summary>
    /// <exception cref="IOException">It could not be read.</exception>
    public static FileSignature Of(IReadableFile file)
    {
        long length = file.Length;
        if (length == 0)
            return new FileSignature(FileFormat.Empty, "empty", "The save did not end, or the disk was full. " + Again);
        byte[] bytes = new byte[Math.Min(HeadLength, length)];
        ReadOnlySpan<byte> head = bytes.AsSpan(0, file.Read(0, bytes));
        return OfSafetensors(head, length) ?? OfTorch(file, head, length) ?? OfPointer(head, length) ?? OfGzip(file, head) ?? OfOther(head) ?? OfText(head, length) ?? OfZeros(head) ?? Nothing(head, length);
    }

    private static FileSignature? OfSafetensors(ReadOnlySpan<byte> head, long length)
    {
        if (head.Length <= SafetensorsHeader.PrefixLength || BinaryPrimitives.ReadUInt64LittleEndian(head) > SafetensorsHeader.MaxLength)
            return null;
        ReadOnlySpan<byte> json = SkipSpace(head[SafetensorsHeader.PrefixLength..]);
        // Four zeros are the upper half of any header's length: text has none.
        bool isHeader = head[4..8].IndexOfAnyExcept((byte)0) < 0 && json.Length > 0 && json[0] == (byte)'{';
        return isHeader ? new FileSignature(FileFormat.Safetensors, "a safetensors file", General) : null;
    }

    private static FileSignature? OfTorch(IReadableFile file, ReadOnlySpan<byte> head, long length)
    {
        if (head.StartsWith("PK\u0003\u0004"u8) || head.StartsWith("PK\u0005\u0006"u8))
            return OfZip(head);
        if (head.StartsWith(LegacyLine) || head[..Math.Min(head.Length, 32)].IndexOf(LegacyMagic) is > 0 and <= 11)
            return new FileSignature(FileFormat.TorchLegacy, "a file of torch.save before PyTorch 1.6", General);
        byte[] last = new byte[1];
        bool stops = file.Read(length - 1, last) == 1 && last[0] == (byte)'.';
        return StartsPickle(head, stops) ? new FileSignature(FileFormat.Pickle, "a pickle of Python", General) : null;
    }

    // All records of torch.save lie in one folder; NumPy's .npz and most other archives have files without one.
    private static FileSignature OfZip(ReadOnlySpan<byte> head)
    {
        const int headerLength = 30, nameLengthAt = 26;
        string name = "";
        if (head.Length > headerLength && head[2] == 3)
            name = Encoding.UTF8.GetString(head.Slice(headerLength, Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(head[nameLengthAt..]), head.Length - headerLength)));
        if (name.EndsWith(".npy", StringComparison.Ordinal))
            return new FileSignature(FileFormat.Other, "an archive of NumPy arrays (.npz)", General);
        return name.Length > 0 && !name.Contains('/', StringComparison.Ordinal)
            ? new FileSignature(FileFormat.Other, "a zip archive that PyTorch did not write", "Unpack it, and give what is in it.")
            : new FileSignature(FileFormat.TorchZip, "a file of torch.save", General);
    }

    // Protocols 2 to 5 begin with PROTO. Those before have no mark; a dict, list or named object is what they hold in practice.
    private static bool StartsPickle(ReadOnlySpan<byte> head, bool stops) =>
        head is [0x80, >= 2 and <= 5, _, ..]
        || (stops && (head is [(byte)'}' or (byte)']' or (byte)')', (byte)'q' or (byte)'r' or (byte)'.' or (byte)'(', ..]
            or [(byte)'(', (byte)'d' or (byte)'l' or (byte)'t', (byte)'p' or (byte)'q' or (byte)'.', ..]
            || (head is [(byte)'c', ..] && head.IndexOf((byte)'\n') is > 1 and < 100 and int line && head[1..line].IndexOfAnyExcept(NameBytes) < 0)));

    private static readonly System.Buffers.SearchValues<byte> NameBytes = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."u8);

    private static FileSignature? OfPointer(ReadOnlySpan<byte> head, long length)
    {
        if (length > LargestPointer)
            return null;
        if (head.StartsWith("version https://git-lfs.github.com/spec/"u8) || head.StartsWith("version https://hawser.github.com/spec/"u8))
            return new FileSignature(FileFormat.Pointer, "a Git LFS pointer, not the file itself", "Fetch the file: run git lfs pull in its repository.");
        if (head.StartsWith("# xet version"u8))
            return new FileSignature(FileFormat.Pointer, "a Xet pointer, not the file itself", "Fetch the file again, for example with hf download.");
        return head.IndexOf("/annex/objects/"u8) >= 0 && Utf8.IsValid(head)
            ? new FileSignature(FileFormat.Pointer, "a git-annex pointer, not the file itself", "Fetch the file: run git annex get in its repository.")
            : null;
    }

    private static FileSignature? OfGzip(IReadableFile file, ReadOnlySpan<byte> head)
    {
        const int needed = 32;
        if (!UnpackedGzip.IsPacked(head))
            return null;
        ReadOnlySpan<byte> within = UnpackedGzip.Head(file, needed);
        return within.StartsWith("PK\u0003\u0004"u8) || within.StartsWith(LegacyLine) || within.IndexOf(LegacyMagic) is > 0 and <= 11
            ? new FileSignature(FileFormat.TorchGzip, "a file of torch.save, packed with gzip", General) : null;
    }

    private static FileSignature? OfOther(ReadOnlySpan<byte> head)
    {
        if (head.Length > TarMagicOffset + 5 && head.Slice(TarMagicOffset, 5).SequenceEqual("ustar"u8))
            return new FileSignature(FileFormat.Other, "a tar archive", "Unpack it, and give what is in it. If PyTorch before 0.1.10 saved it, load it with PyTorch and save it again.");
        foreach ((byte[] start, string what) in Others)
        {
            if (head.StartsWith(start))
                return new FileSignature(FileFormat.Other, what, what.EndsWith("archive", StringComparison.Ordinal) ? "Unpack it, and give what is in it." : General);
        }
        return null;
    }

    private static FileSignature? OfText(ReadOnlySpan<byte> head, long length)
    {
        ReadOnlySpan<byte> text = SkipSpace(head.StartsWith((ReadOnlySpan<byte>)[0xef, 0xbb, 0xbf]) ? head[3..] : head);
        if (head.IndexOfAnyInRange((byte)0, (byte)8) >= 0 || !Utf8.IsValid(length > head.Length ? WholeCharacters(head) : head))
            return null;
        string start = Encoding.UTF8.GetString(text[..Math.Min(text.Length, ExcerptLength)]).ReplaceLineEndings(" ").TrimEnd('\uFFFD', ' ');
        if (IsMarkup(start))
            return new FileSignature(FileFormat.Page, start.StartsWith("<?xml", StringComparison.Ordinal) ? "an XML text, perhaps a server's answer to a failed download" : "a web page", "The download saved a page instead of the file: fetch it again, logged in where that is needed.");
        string quoted = start.Length == 0 ? "" : $" that begins with '{start}{(length > ExcerptLength ? "…" : "")}'";
        return text.Length > 0 && text[0] is (byte)'{' or (byte)'['
            ? new FileSignature(FileFormat.Json, "JSON" + quoted, General)
            : new FileSignature(FileFormat.Text, "text" + quoted, General);
    }

    // The head may end within a character: its last lead byte and what follows are left out.
    private static ReadOnlySpan<byte> WholeCharacters(ReadOnlySpan<byte> head) =>
        head.LastIndexOfAnyInRange((byte)0xc0, (byte)0xff) is >= 0 and int lead && head.Length - lead < 4 ? head[..lead] : head;

    private static bool IsMarkup(string start)
    {
        string[] starts = ["<!doctype", "<html", "<head", "<body", "<!--", "<?xml", "<error", "<svg"];
        return starts.Any(known => start.StartsWith(known, StringComparison.OrdinalIgnoreCase));
    }

    private static FileSignature? OfZeros(ReadOnlySpan<byte> head) => head.IndexOfAnyExcept((byte)0) >= 0 ? null
        : new FileSignature(FileFormat.Zeros, "filled with zeros", "It was never written, or its bytes were lost when the machine stopped. " + Again);

    private static FileSignature Nothing(ReadOnlySpan<byte> head, long length) =>
        new(FileFormat.Unknown, $"neither safetensors nor PyTorch's nor anything known: it has {length} bytes and begins with {Convert.ToHexString(head[..Math.Min(head.Length, 9)])}", General);

    private static ReadOnlySpan<byte> SkipSpace(ReadOnlySpan<byte> text) => text.TrimStart(" \t\r\n"u8);
}
