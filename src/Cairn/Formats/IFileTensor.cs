using Cairn.Stores;

namespace Cairn.Formats;

/// <summary>A tensor whose bytes lie in a file as they lie in memory, one after another.</summary>
internal interface IFileTensor
{
    /// <summary>The file, and where in it the first byte is; <see langword="null"/> where the bytes are not in a file after all.</summary>
    (IReadableFile File, long Offset)? Place { get; }
}
