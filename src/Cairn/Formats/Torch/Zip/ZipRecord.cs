namespace Cairn.Formats.Torch.Zip;

/// <summary>A stored record of a zip archive whose header was compared with the directory.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Start">Offset in the file of its first byte.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Crc32">Its checksum, as the directory has it.</param>
internal readonly record struct ZipRecord(string Name, long Start, long Length, uint Crc32)
{
    /// <summary>Whether it must be unpacked before it is what it was.</summary>
    public bool IsCompressed { get; init; }
}
