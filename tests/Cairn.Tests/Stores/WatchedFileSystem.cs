using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>Passes everything on, and calls back before a file is opened for reading and before a folder is listed: what another process does at that moment.</summary>
internal sealed class WatchedFileSystem(IFileSystem inner, Action<string> before) : ForwardingFileSystem(inner)
{
    /// <summary>Whether the files lose what the system knows them by.</summary>
    public bool HidesIdentity { get; init; }


    public override IReadOnlyList<FileSystemEntry> List(string folder)
    {
        before(folder);
        return Inner.List(folder);
    }

    public override IReadableFile OpenRead(string path)
    {
        before(path);
        IReadableFile file = Inner.OpenRead(path);
        return HidesIdentity ? new FileSlice(file, 0, file.Length, leaveOpen: false) : file;
    }
}
