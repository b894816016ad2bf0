using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using Cairn.Checkpoints;
using Cairn.State;

namespace Cairn.Ranks.Planning;

/// <summary>One part of one rank's state by what it consists of, without its content.</summary>
internal sealed class DescribedPart
{
    private PlannedLeaf[]? _planned;

    public DescribedPart(string name, StateMap state)
    {
        Name = name;
        Leaves = PartLeaves.Of(state);
        Fingerprint = Hash();
    }

    public string Name { get; }

    public IReadOnlyList<PartLeaf> Leaves { get; }

    /// <summary>Equal only for parts that consist of the same.</summary>
    public UInt128 Fingerprint { get; }

    /// <summary>The leaves as other ranks see them.</summary>
    public PlannedLeaf[] Planned => _planned ??= [.. Leaves.Select(leaf => new PlannedLeaf(leaf.Key(Name), leaf.Bytes, leaf.TieOf))];

    private UInt128 Hash()
    {
        var hash = new XxHash128();
        hash.Append(Encoding.UTF8.GetBytes(Name));
        Span<long> numbers = stackalloc long[5];
        foreach (PartLeaf leaf in Leaves)
        {
            hash.Append(MemoryMarshal.AsBytes(leaf.Path.AsSpan()));
            ShardExtent? extent = (leaf.Tensor as ShardTensor)?.Extent;
            numbers[0] = leaf.TieOf;
            numbers[1] = leaf.Tensor is null ? -1 : (int)leaf.Tensor.Type;
            (numbers[2], numbers[3], numbers[4]) = extent is null ? (-1, 0, 0) : (extent.IsFlat ? 1 : 0, extent.Start, extent.Count);
            hash.Append(MemoryMarshal.AsBytes(numbers));
            Append(hash, extent?.GlobalShape ?? leaf.Tensor?.Shape);
            Append(hash, extent?.Box.Offset);
            Append(hash, extent?.Box.Shape);
        }
        return hash.GetCurrentHashAsUInt128();
    }

    private static void Append(XxHash128 hash, IReadOnlyList<long>? numbers)
    {
        long count = numbers?.Count ?? -1;
        hash.Append(MemoryMarshal.AsBytes(new ReadOnlySpan<long>(in count)));
        for (int i = 0; i < count; i++)
        {
            long number = numbers![i];
            hash.Append(MemoryMarshal.AsBytes(new ReadOnlySpan<long>(in number)));
        }
    }
}

/// <summary>What one rank's shared parts consist of. Parts that each rank has for itself need no plan.</summary>
internal sealed class RankDescription
{
    private readonly IReadOnlyList<RankPart> _parts;

    /// <summary>Of the parts as they are captured; no tensor is read.</summary>
    public RankDescription(IReadOnlyList<RankPart> parts)
    {
        _parts = parts;
        Shared = [.. parts.Where(part => part.Scope == PartScope.Shared).Select(part => new DescribedPart(part.Name, part.State))];
    }

    /// <summary>The shared parts.</summary>
    public IReadOnlyList<DescribedPart> Shared { get; }

    /// <summary>What this rank saves: of shared parts what the plan gives to it, of its own all. Parts of which it saves nothing are left out.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="classes">The class of each shared part.</param>
    /// <param name="world">Sizes of the job.</param>
    /// <param name="rank">This rank.</param>
    public IReadOnlyList<RankPart> Assigned(SavePlan plan, IReadOnlyList<int> classes, World world, int rank)
    {
        RankCoordinates at = world.CoordinatesOf(rank);
        var share = new List<RankPart>(_parts.Count);
        int shared = 0;
        foreach (RankPart part in _parts)
        {
            if (part.Scope == PartScope.Shared)
            {
                int holders = classes[shared++];
                if (PartLeaves.Select(part.State, leaf => plan.OwnerOf(holders, leaf) == rank) is { } some)
                    share.Add(part with { State = some });
            }
            else if (part.Scope == PartScope.PerRank || at is { Tp: 0, Pp: 0 })
            {
                share.Add(part);
            }
        }
        return share;
    }
}
