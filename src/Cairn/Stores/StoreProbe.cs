using Cairn.Checkpoints;

namespace Cairn.Stores;

/// <summary>
/// Does on a small scale what a save will do, so that a store which refuses is found before the first step: writes and reads a file and renames a folder, in the run and
/// where its snapshots are, which may be a link or a mount.
/// </summary>
internal static class StoreProbe
{
    private static readonly byte[] Content = "cairn probe\n"u8.ToArray();

    /// <exception cref="StoreException">The store refuses, or gives back other bytes.</exception>
    public static void Run(IFileSystem files)
    {
        try
        {
            Try(files, "");
            if (files.FolderExists(RunFolder.Snapshots))
                Try(files, RunFolder.Snapshots + "/");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreException($"{files.Root} cannot be written: {e.Message} Check Folder, its permissions and free space.", e) { Path = files.Root };
        }
    }

    private static void Try(IFileSystem files, string within)
    {
        string name = within + ".probe", folder = within + ".probe-folder", renamed = within + ".probe-renamed";
        using (IWritableFile file = files.OpenWrite(name, Content.Length))
        {
            file.Write(0, Content);
            file.Sync();
        }
        byte[] back = new byte[Content.Length];
        using (IReadableFile file = files.OpenRead(name))
        {
            if (file.Read(0, back) != back.Length || !back.AsSpan().SequenceEqual(Content))
                throw new StoreException($"{files.Root} gave back other bytes than were written. Check the disk or mount.") { Path = files.Root };
        }
        files.DeleteFile(name);
        files.DeleteFolder(folder);
        files.DeleteFolder(renamed);
        files.CreateFolder(folder);
        files.Move(folder, renamed);
        files.DeleteFolder(renamed);
    }
}
