using Cairn.Formats;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>Saving a single file that is no part of a checkpoint.</summary>
public static class FileSaving
{
    /// <summary>
    /// Writes a file beside its place, makes it durable and renames it, so that its name never stands for half a file. One that is there is replaced.
    /// </summary>
    /// <param name="content">The file.</param>
    /// <param name="path">A path of this machine; its folder must exist.</param>
    /// <param name="cancellationToken">Stops between two blocks; what was written so far is removed.</param>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    /// <exception cref="IOException">The file could not be written.</exception>
    public static void SaveTo(this IFileContent content, string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = Path.GetFullPath(path);
        SaveTo(content, new LocalFileSystem(Path.GetDirectoryName(full) ?? full), Path.GetFileName(full), cancellationToken);
    }

    internal static void SaveTo(this IFileContent content, IFileSystem files, string path, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(files);
        ArgumentException.ThrowIfNullOrEmpty(path);
        string beside = path + ".partial";
        try
        {
            FilesWriter.Write([new FileToWrite(path, content, () => files.OpenWrite(beside, content.Length))], static _ => { }, cancellationToken);
            files.Move(beside, path);
        }
        catch
        {
            files.DeleteFile(beside);
            throw;
        }
        files.SyncFolder(StorePath.Parent(path));
    }
}
