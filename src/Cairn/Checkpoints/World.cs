using System.Runtime.InteropServices;

namespace Cairn.Checkpoints;

/// <summary>
/// The sizes of a job's parallel dimensions, as PyTorch and InternLM name them. Ranks are numbered as InternLM numbers them: tp
/// runs fastest, then dp, then pp, so <c>rank = tp + Tp · (dp + Dp · pp)</c>. The ranks that share optimizer state are neighbours
/// in dp: <c>zo = dp mod Zo</c> (InternEvo, <c>core/context/process_group_initializer.py</c>).
/// </summary>
/// <param name="Tp">Ranks that share each tensor (tensor parallel).</param>
/// <param name="Pp">Ranks that share the layers (pipeline parallel).</param>
/// <param name="Dp">Ranks that share the batch (data parallel).</param>
/// <param name="Zo">Ranks that share the optimizer state (ZeRO); divides <paramref name="Dp"/> and adds no ranks.</param>
public sealed record World(int Tp, int Pp, int Dp, int Zo)
{
    /// <summary>One process.</summary>
    public static World Single { get; } = new(1, 1, 1, 1);

    /// <summary>Number of ranks.</summary>
    public int Size => checked(Tp * Pp * Dp);

    /// <summary>The sizes as a person would say them.</summary>
    public override string ToString() => $"a world of tp {Tp}, pp {Pp}, dp {Dp}, zo {Zo}";

    /// <summary>The world of a job of this many ranks. What is not given: tp, pp and zo are 1, dp is what remains.</summary>
    /// <param name="size">Ranks of the job.</param>
    /// <param name="tp">Tensor-parallel ranks.</param>
    /// <param name="pp">Pipeline-parallel ranks.</param>
    /// <param name="dp">Data-parallel ranks.</param>
    /// <param name="zo">Ranks that share optimizer state.</param>
    /// <exception cref="CheckpointException">The sizes do not multiply to <paramref name="size"/>, or zo does not divide dp.</exception>
    public static World For(int size, int? tp = null, int? pp = null, int? dp = null, int? zo = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        foreach ((string name, int? given) in new[] { ("tp", tp), ("pp", pp), ("dp", dp), ("zo", zo) })
        {
            if (given < 1)
                throw new CheckpointException($"A world's {name} must be 1 or more, and is {given}.");
        }
        long across = (long)(tp ?? 1) * (pp ?? 1);
        if (across * (dp ?? Math.Max(1, size / across)) != size)
            throw new CheckpointException($"{size} ranks cannot be a world of tp {tp ?? 1}, pp {pp ?? 1}, dp {dp?.ToString() ?? "whatever remains"}: tp · pp · dp must be the number of ranks. Start another number of ranks or change the sizes.")
            {
                Expected = $"{size}",
                Found = $"{across * (dp ?? 1)}",
            };
        World world = new(tp ?? 1, pp ?? 1, (int)(size / across), zo ?? 1);
        return world.Dp % world.Zo == 0 ? world
            : throw new CheckpointException($"zo is {world.Zo} and does not divide dp, which is {world.Dp}: every rank that shares a batch must find its part of the optimizer state in its own group. Choose a zo that divides dp.");
    }

    /// <summary>Where this rank stands.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such rank.</exception>
    public RankCoordinates CoordinatesOf(int rank)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, Size);
        (int pp, int within) = Math.DivRem(rank, Tp * Dp);
        (int dp, int tp) = Math.DivRem(within, Tp);
        return new RankCoordinates(tp, pp, dp, dp % Zo);
    }

    /// <summary>The rank that stands there.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such place.</exception>
    public int RankAt(int tp, int pp, int dp)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tp);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(tp, Tp);
        ArgumentOutOfRangeException.ThrowIfNegative(pp);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(pp, Pp);
        ArgumentOutOfRangeException.ThrowIfNegative(dp);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(dp, Dp);
        return tp + Tp * (dp + Dp * pp);
    }
}

/// <summary>Where a rank stands in a <see cref="World"/>, each counted from 0.</summary>
/// <param name="Tp">Which part of each tensor it holds.</param>
/// <param name="Pp">Which part of the layers it holds.</param>
/// <param name="Dp">Which part of each batch it learns from.</param>
/// <param name="Zo">Which part of the optimizer state it holds.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct RankCoordinates(int Tp, int Pp, int Dp, int Zo);
