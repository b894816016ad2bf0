using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Where the files of a copy are written before it has its name.</summary>
internal interface ICopyTarget
{
    /// <summary>The store, as a reader sees it.</summary>
    IFileSource Files { get; }

    /// <summary>Opens a new file of the copy. It is durable once it was synced.</summary>
    IWritableFile Create(string place, string name, long length);

    /// <summary>What tells a file from others, and from itself after it was written to; <see langword="null"/> where a store has no such thing.</summary>
    FileIdentity? IdentityOf(string path) => null;

    /// <summary>Makes a file of a complete copy a file of this one too, so that neither needs the other. It is durable like one that was written and synced.</summary>
    /// <param name="file">The file of the complete copy.</param>
    /// <param name="path">Where it stands.</param>
    /// <param name="place">Where the copy is written.</param>
    LinkOutcome Share(FormerFile file, string path, string place) => LinkOutcome.Unsupported;

    /// <summary>Makes the names of the files durable that this rank wrote.</summary>
    void Settle(string place);
}
