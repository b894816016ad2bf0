namespace Cairn.Formats;

/// <summary>
/// A file any range of which can be made by itself, by several threads at once. Its tensors begin at multiples of their elements' size, so that no range which begins and ends at a
/// multiple of 16 cuts an element.
/// </summary>
internal interface IRangedContent : IFileContent
{
    /// <summary>Makes the bytes of the file from an offset on.</summary>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    void Read(long offset, Span<byte> destination);

    /// <summary>Gives bytes of the file without a copy; <see langword="false"/> when they do not lie together in memory.</summary>
    bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes);

    /// <summary>Whether each read goes to a store, so that few large ones are better than many small ones.</summary>
    bool IsFar => false;
}
