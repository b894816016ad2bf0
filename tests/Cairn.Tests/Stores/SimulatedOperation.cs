namespace Cairn.Tests.Stores;

/// <summary>One entry of the log: something after which the power can fail.</summary>
/// <param name="Description">As a person would write it.</param>
internal abstract record SimulatedOperation(string Description);

/// <summary>A name is set or removed. Durable when every folder in <paramref name="Folders"/> was synced after it.</summary>
/// <param name="Description">As a person would write it.</param>
/// <param name="Folders">Inodes of the folders whose entries change.</param>
/// <param name="Changes">The entries, which change together or not at all.</param>
internal sealed record EntryOperation(string Description, int[] Folders, EntryChange[] Changes) : SimulatedOperation(Description)
{
    /// <summary>The removal of the whole folder above, which makes this one moot when it is durable.</summary>
    public EntryOperation? ImpliedBy { get; init; }
    /// <summary>The inode that comes into being, or -1.</summary>
    public int Made { get; init; } = -1;
    /// <summary>Whether <see cref="Made"/> is a folder.</summary>
    public bool MadeFolder { get; init; }
}

/// <summary>One entry of a folder. <paramref name="Linked"/>: the inode gets this name; otherwise it loses it.</summary>
internal readonly record struct EntryChange(int Folder, string Name, int Inode, bool Linked)
{
    /// <summary>Whether the inode keeps the names that it has.</summary>
    public bool IsFurtherName { get; init; }
}

/// <summary>The bytes of an inode become these. Durable when the inode is synced.</summary>
internal sealed record ContentOperation(string Description, int Inode, byte[] Content) : SimulatedOperation(Description);

/// <summary>The bytes of an inode become durable.</summary>
internal sealed record SyncOperation(string Description, int Inode) : SimulatedOperation(Description);

/// <summary>The entries of a folder become durable.</summary>
internal sealed record SyncFolderOperation(string Description, int Folder) : SimulatedOperation(Description);

/// <summary>A point in time that the test named.</summary>
internal sealed record MarkOperation(string Description) : SimulatedOperation(Description);

/// <summary>What a power cut may leave.</summary>
/// <param name="Description">The operation after which it happened, and what of the unsynced was lost.</param>
/// <param name="OperationCount">Operations that were done before.</param>
/// <param name="Marks">Labels given to <see cref="SimulatedFileSystem.Mark"/> before.</param>
/// <param name="FileSystem">A new file system of what is left; it can be used and crashed again.</param>
internal sealed record CrashState(string Description, int OperationCount, IReadOnlyList<string> Marks, SimulatedFileSystem FileSystem)
{
    public override string ToString() => Description;
}
