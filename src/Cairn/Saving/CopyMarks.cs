using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>The files that make a folder look like a copy: to Cairn, and to InternLM, which looks for <c>*.step</c>.</summary>
internal static class CopyMarks
{
    /// <summary>Whether it is one of them.</summary>
    public static bool IsMark(FileSystemEntry file) => !file.IsFolder && (file.Name.EndsWith(".step", StringComparison.Ordinal) || file.Name == RunFolder.Manifest);

    /// <summary>Removes them durably, before anything else in the folder is overwritten or removed.</summary>
    public static void Remove(IFileSystem files, string folder)
    {
        foreach (FileSystemEntry file in files.List(folder))
        {
            if (IsMark(file))
                files.DeleteFile($"{folder}/{file.Name}");
        }
        if (files.FolderExists(folder))
            files.SyncFolder(folder);
    }
}
