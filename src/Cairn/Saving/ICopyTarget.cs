using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Where the files of a copy are written before it has its name.</summary>
internal interface ICopyTarget
{
    /// <summary>The store, as a reader sees it.</summary>
    IFileSource Files { get; }

    /// <summary>Opens a new file of the copy. It is durable once it was synced.</summary>
    IWritableFile Create(string place, string name, long length);

    /// <summary>Makes the names of the files durable that this rank wrote.</summary>
    void Settle(string place);
}
