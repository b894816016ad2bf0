namespace Cairn.Stores;

/// <summary>A file of which the system may keep parts in memory, and which can be read past that cache.</summary>
internal interface ICachedFile : IReadableFile
{
    /// <summary>As many bytes as <see cref="ReadOnce"/> is best asked for at once: what keeps the disk or the store busy.</summary>
    int BlockBytes { get; }

    /// <summary>Whether nearly all of these bytes are in the system's memory, so that reading them twice asks the disk for nothing.</summary>
    bool IsCached(long offset, int length);

    /// <summary>
    /// As <see cref="IReadableFile.Read"/>, for bytes that are wanted just once: where the system can, they are not put into its cache, where they would push out what training reads.
    /// Fastest at an offset that is a multiple of <see cref="AlignedMemory.Alignment"/>, into memory that begins and ends at one.
    /// </summary>
    int ReadOnce(long offset, Span<byte> destination);
}
