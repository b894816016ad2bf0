using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>The files in a staging folder: what an earlier copy left there is overwritten as far as nobody sees it, and what a new one does not have goes.</summary>
internal static class StagedFiles
{
    /// <summary>
    /// Makes a staging folder of what is left in it. The files of a replaced copy leave the folder in which they had their names: a backup that still walks through it finds no file rather than
    /// one that is being overwritten. What cannot be overwritten in place is of no use here.
    /// </summary>
    public static void Recycle(IFileSystem files, string staged)
    {
        IReadOnlyList<FileSystemEntry> left = files.List(staged);
        if (left.Count == 0)
            return;
        string recycled = staged + ".recycled";
        files.DeleteFolder(recycled);
        files.CreateFolder(recycled);
        foreach (FileSystemEntry entry in left)
        {
            if (!entry.IsFolder && files.CanOverwrite($"{staged}/{entry.Name}"))
                files.Move($"{staged}/{entry.Name}", $"{recycled}/{entry.Name}");
        }
        // A move is safe when both folders are synced, and this one is about to go; the other is synced with the new copy.
        files.SyncFolder(staged);
        files.DeleteFolder(staged);
        files.Move(recycled, staged);
    }

    /// <summary>Removes what an earlier copy left there and this one does not overwrite.</summary>
    public static void KeepOnly(IFileSystem files, string staged, IEnumerable<string> names)
    {
        HashSet<string> kept = new(names, StringComparer.Ordinal);
        foreach (FileSystemEntry file in files.List(staged))
        {
            if (file.IsFolder)
                files.DeleteFolder($"{staged}/{file.Name}");
            else if (!kept.Contains(file.Name))
                files.DeleteFile($"{staged}/{file.Name}");
        }
    }

    /// <summary>Makes all files of a folder durable: a process that was killed may have written what a power cut would still take back.</summary>
    public static void Sync(IFileSystem files, string folder)
    {
        foreach (FileSystemEntry file in files.List(folder).Where(file => !file.IsFolder))
            files.SyncFile($"{folder}/{file.Name}");
        files.SyncFolder(folder);
    }

    /// <summary>Writes a small file and makes it durable.</summary>
    public static void Write(IFileSystem files, string path, ReadOnlySpan<byte> bytes)
    {
        using IWritableFile file = files.OpenWrite(path, bytes.Length);
        file.Write(0, bytes);
        file.Sync();
    }
}
