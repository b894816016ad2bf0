namespace Cairn.Stores;

/// <summary>
/// Writes a file in blocks, a few at once, while the next one is filled. The last block is written whole, and the file then cut to its length: until it is synced, it may
/// have another one.
/// </summary>
internal sealed class BlockFileWriter : IWritableFile
{
    private const int MostUnderWay = 4;

    private readonly IBlockFile _file;
    private readonly BlockPipeline _blocks;

    /// <summary>Begins at the start of the file.</summary>
    public BlockFileWriter(IBlockFile file, AlignedMemory memory)
    {
        _file = file;
        _blocks = new BlockPipeline(memory.BlockBytes, MostUnderWay, memory.Rent, (offset, block, count) =>
        {
            int whole = (count + AlignedMemory.Alignment - 1) / AlignedMemory.Alignment * AlignedMemory.Alignment;
            block.Span[count..whole].Clear();
            file.Write(offset, block.Span[..whole]);
            return Task.CompletedTask;
        });
    }

    public void Write(ReadOnlySpan<byte> bytes) => _blocks.Write(bytes);

    public void Sync()
    {
        _blocks.Complete();
        _file.SetLength(_blocks.Position);
        _file.Sync();
    }

    public void Dispose()
    {
        try
        {
            _blocks.Dispose();
        }
        finally
        {
            _file.Dispose();
        }
    }
}
