using Cairn.Checkpoints;
using Cairn.Formats.Safetensors;
using Cairn.Opening;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Bench;

/// <summary>What a resume does with the newest copy of a run: every hash verified, each byte read once, then the live tensors filled.</summary>
internal static class VerifiedLoad
{
    private const int Block = 8 << 20;

    public static void Run(IFileSource files, LargeState target)
    {
        CatalogEntry entry = Catalog.Read(files).Entries[0];
        using var copy = new VerifiedCopy(entry.Hold(files)!, entry.Folder, new SpareMemory());
        if (Verifier.Verify(copy, entry, World.Single, rank: 0, CancellationToken.None) is { } fault)
            throw new InvalidOperationException(fault.ToString());
        Fill(copy, entry, target);
    }

    /// <summary>Fills the live tensors, and verifies nothing.</summary>
    public static void Fill(IFileSource files, LargeState target) => Fill(files, Catalog.Read(files).Entries[0], target);

    private static void Fill(IFileSource files, CatalogEntry entry, LargeState target)
    {
        using SafetensorsFile file = SafetensorsFile.Open(files, $"{entry.Folder}/{entry.Marker!.Files[0].Name}");
        (StateTensor Saved, NativeTensor Live, long At)[] blocks =
        [
            .. target.Tensors.Zip(target.Model.Keys, (live, name) => (live, saved: file.Tensors[name]))
                .SelectMany(pair => Enumerable.Range(0, (int)((pair.live.ByteLength + Block - 1) / Block)), (pair, block) => (pair.saved, pair.live, (long)block * Block)),
        ];
        Parallel.ForEach(blocks, block => block.Saved.CopyTo(block.At, block.Live.Span(block.At, (int)Math.Min(Block, block.Live.ByteLength - block.At))));
    }
}
