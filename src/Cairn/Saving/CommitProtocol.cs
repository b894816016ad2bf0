using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Ranks;
using Cairn.Saving.Stages;
using Cairn.Stores;
using Cairn.Telemetry;

namespace Cairn.Saving;

/// <summary>
/// The order of operations that makes a copy complete or absent, on one rank or on all of a job together. What this rank saves was chosen before
/// (<see cref="Ranks.Planning.PlanExchange"/>) and, for a save in the background, captured (<see cref="CopyContent"/>); then come the stages below, and last the
/// <see cref="Retirement"/> of what need not be kept any more. docs/commit.md says why in this order. One save at a time, under the run's lock.
/// </summary>
/// <param name="publisher">How the store makes a copy complete or absent.</param>
/// <param name="silence">For how long the store has given no sign of life.</param>
/// <param name="former">What this rank wrote of the copy before, which is not written again as far as it has not changed; <see langword="null"/> to write all files of each copy.</param>
internal sealed class CommitProtocol(ICopyPublisher publisher, Func<TimeSpan> silence, FormerFiles? former = null)
{
    /// <summary>The stages, in their order.</summary>
    private readonly (string Name, ISaveStage Stage)[] _stages =
    [
        ("cairn.save.plan", new PlanStage()),
        ("cairn.save.compare", new CompareStage(publisher)),
        ("cairn.save.prepare", new PrepareStage(publisher, silence)),
        ("cairn.save.write", new WriteStage(publisher)),
        ("cairn.save.seal", new SealStage(publisher)),
        ("cairn.save.publish", new PublishStage(publisher)),
    ];

    /// <summary>For one rank, over a store that is not watched.</summary>
    public CommitProtocol(ICopyPublisher publisher) : this(publisher, static () => TimeSpan.Zero) { }

    /// <summary>On a disk.</summary>
    public CommitProtocol(IFileSystem files, ILease? lease = null) : this(new RenamePublisher(files, lease)) { }

    /// <summary>Saves a copy. Each rank calls it, in its writer's thread.</summary>
    /// <exception cref="IOException">The store refused; nothing that was committed before has changed.</exception>
    /// <exception cref="StoreException">There is not enough space.</exception>
    /// <exception cref="NonFiniteStateException">A snapshot was refused.</exception>
    /// <exception cref="CheckpointException">What is to be written could not be opened again.</exception>
    /// <exception cref="RankFailedException">Another rank could not do its part.</exception>
    /// <exception cref="RankTimeoutException">Ranks did not answer in time.</exception>
    public SavedCopy Save(SaveInProgress save)
    {
        ArgumentNullException.ThrowIfNull(save);
        save.Former = former;
        try
        {
            foreach ((string name, ISaveStage stage) in _stages)
                SaveActivity.Within(name, () => Run(stage, save));
            former?.Remember(publisher.FolderOf(save.Place!, save.Copy!.Entry), save.Own);
            return save.Copy!;
        }
        catch (RankTimeoutException e) when (save.Copy is { } copy)
        {
            // The copy has its name; who has not heard of it will find it.
            return copy with { IsDisturbed = true, Notes = [.. copy.Notes, $"the copy is complete, but some ranks did not hear of it: {e.Message}"] };
        }
        catch
        {
            // The place may be ready although nobody has heard of it yet.
            string? place = save.Place ?? (save.Preparing is { IsCompletedSuccessfully: true } ready ? ready.Result : null);
            if (save.Ranks.IsFirst && place is not null && !save.IsPublishing)
                publisher.Discard(place);
            throw;
        }
    }

    private static SaveInProgress Run(ISaveStage stage, SaveInProgress save)
    {
        stage.Run(save);
        return save;
    }

    /// <summary>Saves a copy that one rank writes alone.</summary>
    /// <param name="marker">The marker without its files.</param>
    /// <param name="plan">The files.</param>
    /// <param name="refuseNonFinite">Whether a snapshot with NaN or infinity in the model is given up.</param>
    /// <param name="cancellationToken">Gives the save up before its commit.</param>
    public SavedCopy Save(Marker marker, IReadOnlyList<PlannedFile> plan, bool refuseNonFinite, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(marker);
        ArgumentNullException.ThrowIfNull(plan);
        return Save(new SaveInProgress(RankGroup.Single, marker, () => plan, refuseNonFinite, RankGroup.StandardTimeout) { CancellationToken = cancellationToken });
    }
}
