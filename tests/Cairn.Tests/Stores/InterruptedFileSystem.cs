using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>Between two operations of a process, another process does something.</summary>
internal sealed class InterruptedFileSystem(IFileSystem inner, int at, Action other) : ForwardingFileSystem(inner)
{
    int _operations;

    /// <summary>How many operations there were.</summary>
    public int Operations => _operations;

    public override IReadOnlyList<FileSystemEntry> List(string folder) => Do(() => base.List(folder));
    public override bool FileExists(string path) => Do(() => base.FileExists(path));
    public override bool FolderExists(string path) => Do(() => base.FolderExists(path));
    public override IReadableFile OpenRead(string path) => Do(() => base.OpenRead(path));
    public override IWritableFile OpenWrite(string path, long length) => Do(() => base.OpenWrite(path, length));
    public override void CreateFolder(string path) => Do(() => base.CreateFolder(path));
    public override void SyncFolder(string path) => Do(() => base.SyncFolder(path));
    public override void Move(string from, string to) => Do(() => base.Move(from, to));
    public override void Exchange(string first, string second) => Do(() => base.Exchange(first, second));
    public override LinkOutcome Link(string file, string name, FileIdentity expected) => Do(() => base.Link(file, name, expected));
    public override void DeleteFile(string path) => Do(() => base.DeleteFile(path));
    public override void DeleteFolder(string path) => Do(() => base.DeleteFolder(path));

    T Do<T>(Func<T> operation)
    {
        if (_operations++ == at)
            other();
        return operation();
    }

    void Do(Action operation) => Do(() =>
    {
        operation();
        return 0;
    });
}
