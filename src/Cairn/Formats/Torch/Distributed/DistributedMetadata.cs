using Cairn.State;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>Where a chunk or value lies: a file of <c>torch.save</c> within a file.</summary>
/// <param name="File">The file's name in the folder.</param>
/// <param name="Offset">Its first byte.</param>
/// <param name="Length">Its bytes.</param>
internal sealed record DistributedPlace(string File, long Offset, long Length);

/// <summary>A part of a tensor as one rank saved it.</summary>
/// <param name="Offsets">Where it begins, for each dimension.</param>
/// <param name="Sizes">Its sizes.</param>
/// <param name="Place">Where it lies.</param>
internal sealed record DistributedChunk(IReadOnlyList<long> Offsets, IReadOnlyList<long> Sizes, DistributedPlace Place);

/// <summary>A tensor or another value of a distributed checkpoint.</summary>
/// <param name="Name">Its flat name, such as <c>optimizer.state.w.exp_avg</c>.</param>
/// <param name="Path">The keys (<see cref="string"/>) and list indexes (<see cref="long"/>) that lead to it; its name alone when the file does not say.</param>
internal abstract record DistributedItem(string Name, IReadOnlyList<object> Path);

/// <summary>A tensor.</summary>
/// <param name="Name">Its flat name.</param>
/// <param name="Path">The way to it.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Sizes of the whole.</param>
/// <param name="Chunks">What the ranks saved of it.</param>
internal sealed record DistributedTensor(string Name, IReadOnlyList<object> Path, TensorType Type, IReadOnlyList<long> Shape, IReadOnlyList<DistributedChunk> Chunks) : DistributedItem(Name, Path)
{
    /// <summary>Whether another is the same tensor under another name: of the same type and shape, and of chunks that lie at the same places.</summary>
    public bool IsSame(DistributedTensor other) => Type == other.Type && Shape.SequenceEqual(other.Shape) && Chunks.Count == other.Chunks.Count
        && Chunks.Zip(other.Chunks).All(pair => pair.First.Place == pair.Second.Place && pair.First.Offsets.SequenceEqual(pair.Second.Offsets) && pair.First.Sizes.SequenceEqual(pair.Second.Sizes));
}

/// <summary>A value that is no tensor.</summary>
/// <param name="Name">Its flat name.</param>
/// <param name="Path">The way to it.</param>
/// <param name="Place">Where it lies.</param>
internal sealed record DistributedValue(string Name, IReadOnlyList<object> Path, DistributedPlace Place) : DistributedItem(Name, Path);
