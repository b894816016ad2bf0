namespace Cairn.Stores;

/// <summary>Hands every call on to another store. Whoever watches, bounds or breaks a store overrides what it changes, and loses nothing else that the store can do.</summary>
internal abstract class ForwardingFileSystem(IFileSystem inner) : IFileSystem
{
    protected IFileSystem Inner { get; } = inner;

    public virtual string Root => Inner.Root;
    public virtual bool CanExchange => Inner.CanExchange;
    public virtual long? AvailableBytes() => Inner.AvailableBytes();
    public virtual long? AvailableBytes(string folder) => Inner.AvailableBytes(folder);
    public virtual long ReclaimableBytes(string folder) => Inner.ReclaimableBytes(folder);
    public virtual IReadOnlyList<FileSystemEntry> List(string folder) => Inner.List(folder);
    public virtual bool FileExists(string path) => Inner.FileExists(path);
    public virtual bool FolderExists(string path) => Inner.FolderExists(path);
    public virtual void CreateFolder(string path) => Inner.CreateFolder(path);
    public virtual IReadableFile OpenRead(string path) => Inner.OpenRead(path);
    public virtual IWritableFile OpenWrite(string path, long length) => Inner.OpenWrite(path, length);
    public virtual bool CanOverwrite(string path) => Inner.CanOverwrite(path);
    public virtual FileIdentity? Identify(string path) => Inner.Identify(path);
    public virtual LinkOutcome Link(string file, string name, FileIdentity expected) => Inner.Link(file, name, expected);
    public virtual void SyncFile(string path) => Inner.SyncFile(path);
    public virtual void SyncFolder(string path) => Inner.SyncFolder(path);
    public virtual void Move(string from, string to) => Inner.Move(from, to);
    public virtual void Exchange(string first, string second) => Inner.Exchange(first, second);
    public virtual void DeleteFile(string path) => Inner.DeleteFile(path);
    public virtual void DeleteFolder(string path) => Inner.DeleteFolder(path);
    public virtual void Append(string path, ReadOnlySpan<byte> bytes, bool durable) => Inner.Append(path, bytes, durable);
}
