using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Ranks;

namespace Cairn.Saving.Stages;

/// <summary>A save on its way through the stages: what it is asked to do, and what the stages that have run leave for the next.</summary>
/// <param name="ranks">The ranks that save together, on a channel of their own; one rank alone agrees with itself.</param>
/// <param name="marker">The marker without its files; the first rank's is the one that is written.</param>
/// <param name="plan">This rank's files; what it throws fails the save on all ranks.</param>
/// <param name="refuseNonFinite">Whether a snapshot with NaN or infinity in the model is given up.</param>
/// <param name="timeout">Longest wait for another rank.</param>
internal sealed class SaveInProgress(RankGroup ranks, Marker marker, Func<IReadOnlyList<PlannedFile>> plan, bool refuseNonFinite, TimeSpan timeout)
{
    /// <summary>The ranks that save together.</summary>
    public RankGroup Ranks => ranks;

    /// <summary>Whether other ranks save with this one.</summary>
    public bool IsShared => ranks.Size > 1;

    /// <summary>The marker without its files.</summary>
    public Marker Marker { get; } = marker;

    /// <summary>This rank's files.</summary>
    public Func<IReadOnlyList<PlannedFile>> PlanFiles => plan;

    /// <summary>Whether a snapshot with NaN or infinity in the model is given up.</summary>
    public bool RefuseNonFinite => refuseNonFinite;

    /// <summary>Longest wait for another rank.</summary>
    public TimeSpan Timeout => timeout;

    /// <summary>Called when all is written: waits until it is known that this rank wrote the state of the marker's step. What it throws fails the save on all ranks.</summary>
    public Action Confirm { get; init; } = static () => { };

    /// <summary>Called after each block and each word of another rank.</summary>
    public Action Progressed { get; init; } = static () => { };

    /// <summary>What all files together must be, when they come from a copy whose marker vouches for them; <see langword="null"/> for new state.</summary>
    public IReadOnlyList<MarkedFile>? Vouched { get; init; }

    /// <summary>What this rank wrote of the copy before; <see langword="null"/> when all files are written in any case.</summary>
    public FormerFiles? Former { get; set; }

    /// <summary>Gives the save up between two blocks.</summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>What the ranks agree in.</summary>
    public CollectiveWork Work { get; } = new(ranks, $"{marker.Kind.ToString().ToLowerInvariant()} of step {marker.Step}", timeout);

    /// <summary>What stood in the way and was moved or given up, in words.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>After <see cref="PlanStage"/>: this rank's files to the byte.</summary>
    public FilePlan Plan { get; set; } = FilePlan.Empty;

    /// <summary>After <see cref="CompareStage"/>: those that have the bytes of the copy before, by name.</summary>
    public IReadOnlyDictionary<string, UnchangedFile> Unchanged { get; set; } = new Dictionary<string, UnchangedFile>(StringComparer.Ordinal);

    /// <summary>After <see cref="CompareStage"/>: the bytes that are to be written.</summary>
    public long BytesToWrite => Plan.Bytes - Unchanged.Values.Sum(file => file.Former.File.Length);

    /// <summary>While and after <see cref="PrepareStage"/>, on the first rank: the place that is being made. It may be ready although nobody has heard of it.</summary>
    public Task<string>? Preparing { get; set; }

    /// <summary>After <see cref="PrepareStage"/>: where the files are written.</summary>
    public string? Place { get; set; }

    /// <summary>After <see cref="WriteStage"/>: this rank's files, for the next save to compare with.</summary>
    public IReadOnlyList<FormerFile> Own { get; set; } = [];

    /// <summary>After <see cref="WriteStage"/>, on the first rank: what each rank wrote.</summary>
    public IReadOnlyList<RankReport> Written { get; set; } = [];

    /// <summary>After <see cref="WriteStage"/>: the first tensor of the model that holds NaN or infinity, on whichever rank.</summary>
    public string? NonFiniteTensor { get; set; }

    /// <summary>Whether the copy may have its name by now: what was written for it must not be removed any more.</summary>
    public bool IsPublishing { get; set; }

    /// <summary>After <see cref="PublishStage"/>: the copy.</summary>
    public SavedCopy? Copy { get; set; }

    /// <summary>Makes sure that files are what is vouched for.</summary>
    /// <exception cref="CorruptCheckpointException">One is not.</exception>
    public void CheckVouched(IReadOnlyList<MarkedFile> files)
    {
        if (Vouched is null)
            return;
        var vouched = Vouched.ToDictionary(file => file.Name, StringComparer.Ordinal);
        foreach (MarkedFile file in files)
        {
            if (!vouched.TryGetValue(file.Name, out MarkedFile? known) || known.Length != file.Length || !known.Hashes.Equals(file.Hashes))
                throw new CorruptCheckpointException($"{file.Name} of the copy of step {Marker.Step} was altered: it has not the hash that its marker vouches for.") { Step = Marker.Step, Path = file.Name };
        }
    }
}

/// <summary>A copy that was saved: every byte of every rank is durable under its name.</summary>
/// <param name="Entry">Where it stands.</param>
/// <param name="Bytes">Bytes of all its files but the marker.</param>
/// <param name="SharedBytes">Of these, bytes of files of the copy before, which were not written again.</param>
/// <param name="NonFiniteTensor">A tensor of the model that holds NaN or infinity.</param>
/// <param name="Notes">What stood in the way and was moved or given up, in words.</param>
internal sealed record SavedCopy(CatalogEntry Entry, long Bytes, long SharedBytes, string? NonFiniteTensor, IReadOnlyList<string> Notes)
{
    /// <summary>Whether some ranks have not heard of it.</summary>
    public bool IsDisturbed { get; init; }
}
