namespace Cairn.S3;

/// <summary>How a large object is cut into parts.</summary>
internal static class S3Parts
{
    /// <summary>Bytes of a block as the library writes it.</summary>
    public const int BlockBytes = 8 << 20;

    /// <summary>What the protocol allows.</summary>
    public const int MostParts = 10_000;

    /// <summary>Bytes of the largest object that is copied in one request, and of each part of a larger one: the service answers within minutes. The protocol allows 5 GiB.</summary>
    public const long LargestCopy = 1L << 30;

    /// <summary>Bytes of each part but the last: whole blocks, as few as give an object no more parts than are allowed.</summary>
    /// <exception cref="IOException">The object is too large for the protocol.</exception>
    public static int BytesOfPart(long length, int least)
    {
        long blocks = (length + BlockBytes - 1) / BlockBytes, perPart = Math.Max(least / BlockBytes, (blocks + MostParts - 1) / MostParts);
        // Memory for a part is one piece.
        return perPart * BlockBytes <= 1 << 30 ? (int)(perPart * BlockBytes) : throw new IOException($"An object of {length} bytes is too large: {MostParts} parts of 1 GiB are the most.");
    }
}
