namespace Cairn.State;

/// <summary>
/// A part that tells, at almost no cost, whether a batch has begun to change it. Optional: an <see cref="IStatePart"/> that implements it lets the end of training
/// be told from its breaking off in the middle of a batch, so that state which is half updated is not saved as the end.
/// </summary>
public interface IProgressMark
{
    /// <summary>
    /// A number that stays the same while the part does, and is another one as soon as a batch has begun to change it. Which number it is means nothing.
    /// Asked on the training thread after every batch: it must take microseconds, and nothing may change by it.
    /// </summary>
    ulong ProgressMark { get; }

    /// <summary>
    /// Whether a mark that moved means that what was learned may be half updated, as for an optimizer; <see langword="false"/> when only data was drawn, as for a sampler.
    /// </summary>
    bool MarksUpdates { get; }
}
