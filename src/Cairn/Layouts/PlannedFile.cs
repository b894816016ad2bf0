using Cairn.Formats;

namespace Cairn.Layouts;

/// <summary>A file that is to be written, its length known beforehand.</summary>
/// <param name="name">Name in the checkpoint's folder.</param>
/// <param name="part">The part of the state that it holds.</param>
/// <param name="length">Bytes.</param>
/// <param name="write">Gives the bytes to a sink, in order.</param>
public sealed class PlannedFile(string name, string part, long length, Action<BlockSink> write)
{
    /// <summary>Name in the checkpoint's folder.</summary>
    public string Name => name;
    /// <summary>The part of the state that it holds.</summary>
    public string Part => part;
    /// <summary>Bytes.</summary>
    public long Length => length;
    /// <summary>Gives the bytes to a sink, in order. May be called once more with the same result as long as the state stands.</summary>
    public void WriteTo(BlockSink sink) => write(sink);
}
