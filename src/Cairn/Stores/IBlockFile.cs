namespace Cairn.Stores;

/// <summary>A file that takes whole blocks at any place, past the system's cache where it can.</summary>
internal interface IBlockFile : IDisposable
{
    /// <summary>Writes a block; its offset and length are multiples of <see cref="AlignedMemory.Alignment"/>, and its address too. Called from several threads at once.</summary>
    void Write(long offset, ReadOnlySpan<byte> block);

    /// <summary>Cuts the file to its length.</summary>
    void SetLength(long length);

    /// <summary>Makes all that was written durable.</summary>
    void Sync();
}
