using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Where a run lives for good, and how its copies are published there.</summary>
internal interface IRunHome
{
    /// <summary>The small files, and all files for reading.</summary>
    IRunFiles Files { get; }

    /// <summary>Whether each operation is a request to a service, for which training does not wait.</summary>
    bool IsFar => false;

    /// <summary>Opens another folder of this machine, or another place in a store, for reading: a run to resume from, say.</summary>
    IFileSource OpenOther(string place) => PlacePath.Open(place);

    /// <summary>How copies become complete or absent.</summary>
    /// <param name="lease">The right to write the run; without one nothing is checked.</param>
    /// <param name="signs">Sees what the store does.</param>
    ICopyPublisher Publisher(ILease? lease = null, SignsOfLife? signs = null);

    /// <summary>Takes the right to write the run; <see langword="null"/> where there is nothing that could be locked.</summary>
    /// <exception cref="RunLockedException">Another process has it.</exception>
    /// <exception cref="IOException">The store refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">The store may not be written.</exception>
    ILease? Acquire(TimeProvider time, TimeSpan duration, Action<string> waiting, Action<string> lost, CancellationToken cancellationToken);

    /// <summary>Does on a small scale what a save will do, so that a store which refuses is found before the first step.</summary>
    /// <exception cref="StoreException">The store refuses, or gives back other bytes.</exception>
    void Probe();
}
