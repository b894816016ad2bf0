namespace TinyLm;

/// <summary>What the command line says. Each property is the option of the same name.</summary>
public sealed record TinyLmOptions
{
    /// <summary>Batches that the loop draws. Default 500.</summary>
    public int TotalSteps { get; init; } = 500;

    /// <summary>Seed of the weights, the text and the order of batches. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Batches between printed lines. Default 20.</summary>
    public int LogEvery { get; init; } = 20;

    /// <summary>Whether to end with a hash of the whole state, which two runs of one seed share.</summary>
    public bool FinalDigest { get; init; }

    /// <summary>The batch after whose update the process kills itself; null for none.</summary>
    public int? CrashAt { get; init; }

    /// <summary>The batches whose gradients are made to overflow.</summary>
    public IReadOnlySet<int> OverflowAt { get; init; } = new HashSet<int>();
}
