namespace Cairn.Ranks;

/// <summary>The sizes of a job's parallel dimensions, as PyTorch and InternLM name them.</summary>
/// <param name="Tp">Ranks that share each tensor (tensor parallel).</param>
/// <param name="Pp">Ranks that share the layers (pipeline parallel).</param>
/// <param name="Dp">Ranks that share the batch (data parallel).</param>
/// <param name="Zo">Ranks that share the optimizer state (ZeRO).</param>
public sealed record World(int Tp, int Pp, int Dp, int Zo)
{
    /// <summary>One process.</summary>
    public static World Single { get; } = new(1, 1, 1, 1);
}
