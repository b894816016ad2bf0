using Cairn;

namespace TinyLm;

/// <summary>What the command line says. Each property is the option of the same name.</summary>
public sealed record TinyLmOptions
{
    /// <summary>Folder of the run, or its address in an object store. Default <c>runs/tinylm</c>.</summary>
    public string Run { get; init; } = "runs/tinylm";

    /// <summary>A quicker folder of this machine that takes each copy first; null for none.</summary>
    public string? Fast { get; init; }

    /// <summary>A folder in which curves are written for TensorBoard; null for none.</summary>
    public string? TensorBoard { get; init; }

    /// <summary>How many other hosts keep what a host has in <see cref="Fast"/>: 0 or 1. Default 0.</summary>
    public int Replicas { get; init; }

    /// <summary>Batches that the loop draws, counted over all restarts. Default 500.</summary>
    public int TotalSteps { get; init; } = 500;

    /// <summary>Batches to draw on top of what a finished run was planned with; null to keep to the plan. An unfinished run first makes its plan.</summary>
    public int? More { get; init; }

    /// <summary>Steps between checkpoints; 0 for only the final one. Default 100.</summary>
    public int CheckpointEvery { get; init; } = 100;

    /// <summary>Steps between snapshots; 0 for none; <see cref="CheckpointOptions.Auto"/> for as many as the disk takes. Default 20.</summary>
    public long SnapshotEvery { get; init; } = 20;

    /// <summary>Checkpoints to keep, counted from the newest; null for all.</summary>
    public int? KeepLast { get; init; }

    /// <summary>Checkpoints that keep their optimizer, counted from the newest; null for all.</summary>
    public int? KeepOptimizer { get; init; }

    /// <summary>Parameters that training leaves as they are: patterns over their names, with <c>*</c> and <c>?</c>. Default none.</summary>
    public IReadOnlyList<string> Freeze { get; init; } = [];

    /// <summary>Lines in a batch, over all ranks. Default 128.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>Seed of the weights, the text and the order of batches. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Layout of the files: <c>cairn</c> or <c>internlm</c>. Default <c>cairn</c>.</summary>
    public string Layout { get; init; } = "cairn";

    /// <summary>Width of the model, a multiple of 8. Default 176.</summary>
    public int Width { get; init; } = 176;

    /// <summary>Share of the feed-forward part's output that is dropped while training, from 0 to below 1. Default 0.02.</summary>
    public double Dropout { get; init; } = 0.02;

    /// <summary>Whether training waits until each save is durable. Default no.</summary>
    public bool Sync { get; init; }

    /// <summary>Whether the state is copied for a save while the next batch is computed. Default no.</summary>
    public bool Overlap { get; init; }

    /// <summary>Where to begin: a step of this run, a checkpoint's folder or a run's folder; the newest good copy when null.</summary>
    public string? ResumeFrom { get; init; }

    /// <summary>Name of the branch that a start from an older step opens.</summary>
    public string? Branch { get; init; }

    /// <summary>File in which a person may write when to save and stop; null for none.</summary>
    public string? StopFile { get; init; }

    /// <summary>Batches between printed lines. Default 20.</summary>
    public int LogEvery { get; init; } = 20;

    /// <summary>Sums that training never saw, on which the finished model is evaluated; 0 for none. Default 1000, which is all of them.</summary>
    public int Evaluate { get; init; } = 1000;

    /// <summary>Steps between evaluations on the loss of <see cref="SaveBest"/> and <see cref="EarlyStopping"/>. Default 20.</summary>
    public int ValidateEvery { get; init; } = 20;

    /// <summary>Whether the best model by the validation loss is saved, kept, and given back at the end. Default no.</summary>
    public bool SaveBest { get; init; }

    /// <summary>Evaluations without an improvement after which training ends; null for never.</summary>
    public int? EarlyStopping { get; init; }

    /// <summary>Whether to end with a hash of the whole state, which two runs of one seed share.</summary>
    public bool FinalDigest { get; init; }

    /// <summary>The batch after whose update the process kills itself; null for none.</summary>
    public int? CrashAt { get; init; }

    /// <summary>The batches whose gradients are made to overflow.</summary>
    public IReadOnlySet<int> OverflowAt { get; init; } = new HashSet<int>();

    /// <summary>The rank that kills itself at <see cref="CrashAt"/>; all when null.</summary>
    public int? CrashRank { get; init; }

    /// <summary>Seconds that ranks wait for one another before they give up. Default 120.</summary>
    public int RankTimeout { get; init; } = 120;

    /// <summary>Seconds from a signal until the process is killed; null when that is not known.</summary>
    public int? StopGrace { get; init; }

    /// <summary>Ranks that share each matrix; what the environment says when null, then 1.</summary>
    public int? Tp { get; init; }

    /// <summary>Ranks that share each batch; what the environment says when null, then all that remain.</summary>
    public int? Dp { get; init; }

    /// <summary>Whether the ranks that share a batch share the optimizer state too (ZeRO-1).</summary>
    public bool Zero { get; init; }
}
