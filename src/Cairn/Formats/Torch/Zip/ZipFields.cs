namespace Cairn.Formats.Torch.Zip;

/// <summary>Signatures and sizes of a zip archive. Format: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.</summary>
internal static class ZipFields
{
    public const uint LocalHeader = 0x04034B50;
    public const uint DataDescriptor = 0x08074B50;
    public const uint DirectoryEntry = 0x02014B50;
    public const uint End64 = 0x06064B50;
    public const uint End64Locator = 0x07064B50;
    public const uint End = 0x06054B50;

    public const int LocalHeaderLength = 30;
    public const int DirectoryEntryLength = 46;
    public const int End64Length = 56;
    public const int End64LocatorLength = 20;
    public const int EndLength = 22;

    public const int Encrypted = 1;
    public const int Deflated = 8;
    public const int HasDescriptor = 1 << 3;
    public const ushort Zip64Extra = 1;
    // Info-ZIP's Unicode Path.
    public const ushort UnicodeNameExtra = 0x7075;
    public const ushort In64Short = ushort.MaxValue;
    public const uint In64 = uint.MaxValue;
}
