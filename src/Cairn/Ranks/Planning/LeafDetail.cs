using Cairn.State;

namespace Cairn.Ranks.Planning;

/// <summary>A leaf in full, as the first rank needs it to check that every element has one owner.</summary>
/// <param name="Path">The keys and indexes on the way to it.</param>
/// <param name="Type">Element type; <see langword="null"/> for values and ties.</param>
/// <param name="Extent">Which elements of which global tensor.</param>
internal readonly record struct LeafDetail(string Path, TensorType? Type, ShardExtent? Extent)
{
    public static LeafDetail Of(PartLeaf leaf) => leaf.Tensor is { } tensor
        ? new LeafDetail(leaf.Path, tensor.Type, (tensor as ShardTensor)?.Extent ?? ShardExtent.Whole([.. tensor.Shape]))
        : new LeafDetail(leaf.Path, null, null);

    public void Write(BinaryWriter to)
    {
        to.Write(Path);
        to.Write(Type is null ? -1 : (int)Type);
        if (Extent is not { } extent)
            return;
        to.WriteList(extent.GlobalShape, to.Write);
        to.Write(extent.IsWhole);
        if (extent.IsWhole)
            return;
        to.WriteList(extent.Box.Offset, to.Write);
        to.WriteList(extent.Box.Shape, to.Write);
        to.Write(extent.IsFlat);
        to.Write(extent.Start);
        to.Write(extent.Count);
    }

    public static LeafDetail Read(BinaryReader from)
    {
        string path = from.ReadString();
        int type = from.ReadInt32();
        if (type < 0)
            return new LeafDetail(path, null, null);
        long[] global = [.. from.ReadList(from.ReadInt64)];
        if (from.ReadBoolean())
            return new LeafDetail(path, (TensorType)type, ShardExtent.Whole(global));
        ShardExtent box = ShardExtent.OfBox(global, [.. from.ReadList(from.ReadInt64)], [.. from.ReadList(from.ReadInt64)]);
        bool isFlat = from.ReadBoolean();
        (long start, long count) = (from.ReadInt64(), from.ReadInt64());
        return new LeafDetail(path, (TensorType)type, isFlat ? box.Flat(start, count) : box);
    }

    /// <summary>Refuses leaves of one part that do not make up their tensors.</summary>
    /// <exception cref="ShardOwnershipException">An element has no owner, or is in two shards that are not the same.</exception>
    /// <exception cref="CheckpointException">Ranks declare one name as different tensors.</exception>
    public static void Check(IEnumerable<(string Part, IEnumerable<LeafDetail> Leaves)> classes)
    {
        var tensors = new Dictionary<(string Part, string Path), List<LeafDetail>>();
        foreach ((string part, IEnumerable<LeafDetail> leaves) in classes)
        {
            foreach (LeafDetail leaf in leaves)
            {
                if (leaf.Extent is not { } extent)
                    continue;
                if (!tensors.TryGetValue((part, leaf.Path), out List<LeafDetail>? known))
                    tensors.Add((part, leaf.Path), [leaf]);
                else if (leaf.Type != known[0].Type || !extent.GlobalShape.SequenceEqual(known[0].Extent!.GlobalShape))
                    throw Different(part, known[0], leaf);
                else if (!extent.IsWhole || !known[0].Extent!.IsWhole)
                    known.Add(leaf);
            }
        }
        var faults = new List<OwnershipFault>();
        foreach (((string part, string path), List<LeafDetail> leaves) in tensors)
        {
            if (leaves is [{ Extent.IsWhole: true }])
                continue;
            if (ShardOwnership.FaultOf($"{part}/{path}", [.. leaves[0].Extent!.GlobalShape], leaves.Select(leaf => leaf.Extent!)) is { } fault)
                faults.Add(fault);
        }
        if (faults.Count > 0)
            throw ShardOwnershipException.Of(faults);
    }

    private static CheckpointException Different(string part, LeafDetail one, LeafDetail other)
    {
        (string expected, string found) = (Describe(one), Describe(other));
        return new CheckpointException($"Ranks declare '{part}/{one.Path}' as different tensors: {expected} and {found}. A name must mean the same tensor on all ranks, with the same global shape.") { Expected = expected, Found = found };
    }

    private static string Describe(LeafDetail leaf) => $"{leaf.Type}[{string.Join(", ", leaf.Extent!.GlobalShape)}]";
}
