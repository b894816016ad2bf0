using Cairn.Ranks;
using Cairn.Saving.Stages;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A nearer tier that takes a copy before the home has it. All ranks of a job make the same calls.</summary>
internal interface IFirstTier
{
    /// <summary>Where it is on this host, for messages.</summary>
    string Root { get; }

    /// <summary>Lets it be seen what saves do there.</summary>
    void Watch(SignsOfLife signs);

    /// <summary>Takes a copy: once this returns, it can be recovered from this tier. Called in the writer's thread.</summary>
    /// <exception cref="NoSlotException">A snapshot finds no place, because what stands there is still on its way to the home.</exception>
    /// <exception cref="NonFiniteStateException">A snapshot was refused.</exception>
    /// <exception cref="RankTimeoutException">Ranks did not answer in time.</exception>
    /// <exception cref="Exception">Anything else: this tier cannot take it, on no rank, and the home may.</exception>
    SavedCopy Save(SaveInProgress save);

    /// <summary>Waits until nothing is on its way to the home, and lets nothing begin until the result is disposed.</summary>
    IDisposable HoldHome(RankGroup ranks, TimeSpan timeout, Action progressed);
}

/// <summary>A snapshot found no place in the first tier.</summary>
internal sealed class NoSlotException() : CheckpointException("The fast folder has no free place: what stands there is still on its way to the home.");
