using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A file of a disk that becomes a file of one more copy.</summary>
internal static class SharedFile
{
    /// <summary>Gives a file of a complete copy its name in the next one, which becomes durable with the others there.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="file">The file.</param>
    /// <param name="path">Where it stands.</param>
    /// <param name="place">Where the next copy is written.</param>
    public static LinkOutcome Link(IFileSystem files, FormerFile file, string path, string place)
    {
        if (file.Identity is not { } known)
            return OperatingSystem.IsWindows() ? LinkOutcome.Unsupported : LinkOutcome.NotThisOne;
        LinkOutcome outcome = files.Link(path, $"{place}/{file.File.Name}", known);
        if (outcome == LinkOutcome.Linked && !file.IsDurable)
            files.SyncFile($"{place}/{file.File.Name}");
        return outcome;
    }
}
