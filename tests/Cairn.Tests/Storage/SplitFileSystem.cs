using Cairn.Storage;

namespace Cairn.Tests.Storage;

/// <summary>Passes everything to another file system, but refuses renames between places that are said to be on different ones.</summary>
internal sealed class SplitFileSystem(IFileSystem inner, Func<IFileSystem, string, bool> isElsewhere) : IFileSystem
{
    private const int CrossDevice = 18;
    private const string Tag = ".lower";

    /// <summary>The folder of the snapshots is a link to another file system.</summary>
    public static SplitFileSystem SnapshotsApart(IFileSystem inner) => new(inner, static (_, path) => path.StartsWith("snapshot/", StringComparison.Ordinal));

    /// <summary>The folders that are tagged stand in the lower layer of an overlay.</summary>
    public static SplitFileSystem Overlay(IFileSystem inner) => new(inner, static (files, path) => files.FileExists($"{path}/{Tag}"));

    /// <summary>Tags a folder.</summary>
    public static void MakeLower(IFileSystem inner, string folder) => inner.OpenWrite($"{folder}/{Tag}", 0).Dispose();

    /// <summary>Renames that were refused.</summary>
    public int Refused { get; private set; }

    public string Root => inner.Root;
    public bool CanExchange => inner.CanExchange;
    public long? AvailableBytes() => inner.AvailableBytes();
    public IReadOnlyList<FileSystemEntry> List(string folder) => inner.List(folder);
    public bool FileExists(string path) => inner.FileExists(path);
    public bool FolderExists(string path) => inner.FolderExists(path);
    public void CreateFolder(string path) => inner.CreateFolder(path);
    public IReadableFile OpenRead(string path) => inner.OpenRead(path);
    public IWritableFile OpenWrite(string path, long length) => inner.OpenWrite(path, length);
    public bool CanOverwrite(string path) => inner.CanOverwrite(path);
    public void SyncFolder(string path) => inner.SyncFolder(path);
    public void DeleteFile(string path) => inner.DeleteFile(path);
    public void DeleteFolder(string path) => inner.DeleteFolder(path);
    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable) => inner.Append(path, bytes, durable);

    public void Move(string from, string to)
    {
        Refuse(from, to);
        inner.Move(from, to);
    }

    public void Exchange(string first, string second)
    {
        Refuse(first, second);
        inner.Exchange(first, second);
    }

    // A folder of a lower layer cannot be renamed at all; one of two file systems only within its own.
    private void Refuse(string from, string to)
    {
        if (isElsewhere(inner, from) == isElsewhere(inner, to) && !inner.FileExists($"{from}/{Tag}"))
            return;
        Refused++;
        throw new IOException($"Invalid cross-device link from '{from}' to '{to}'", CrossDevice);
    }
}
