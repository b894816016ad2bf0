namespace Cairn.Stores;

/// <summary>A disk whose operations are watched.</summary>
internal sealed class TimedFileSystem(IFileSystem inner, SignsOfLife signs) : ForwardingFileSystem(inner)
{
    private SignsOfLife Signs => signs;

    public override long? AvailableBytes() => Do("look for free space", "", Inner.AvailableBytes);
    public override long? AvailableBytes(string folder) => Do("look for free space in", folder, () => Inner.AvailableBytes(folder));
    public override long ReclaimableBytes(string folder) => Do("measure", folder, () => Inner.ReclaimableBytes(folder));
    public override IReadOnlyList<FileSystemEntry> List(string folder) => Do("list", folder, () => Inner.List(folder));
    public override bool FileExists(string path) => Do("look for", path, () => Inner.FileExists(path));
    public override bool FolderExists(string path) => Do("look for", path, () => Inner.FolderExists(path));
    public override bool CanOverwrite(string path) => Do("look at", path, () => Inner.CanOverwrite(path));
    public override FileIdentity? Identify(string path) => Do("look at", path, () => Inner.Identify(path));
    public override LinkOutcome Link(string file, string name, FileIdentity expected) => Do("link", file, () => Inner.Link(Open(file), name, expected));
    public override IReadableFile OpenRead(string path) => new Readable(this, path, Do("open", path, () => Inner.OpenRead(path)));
    public override IWritableFile OpenWrite(string path, long length) => new Writable(this, path, Do("open", path, () => Inner.OpenWrite(Open(path), length)));
    public override void CreateFolder(string path) => Do("create", path, () => Inner.CreateFolder(path));
    public override void SyncFile(string path) => Do("fsync", path, () => Inner.SyncFile(path));
    public override void SyncFolder(string path) => Do("fsync", path, () => Inner.SyncFolder(path));
    public override void Move(string from, string to) => Do("rename", from, () => Inner.Move(Open(from), to));
    public override void Exchange(string first, string second) => Do("rename", first, () => Inner.Exchange(Open(first), second));
    public override void DeleteFile(string path) => Do("delete", path, () => Inner.DeleteFile(path));
    public override void DeleteFolder(string path) => Do("delete", path, () => Inner.DeleteFolder(path));

    private string Open(string path)
    {
        signs.ThrowIfGivenUp(path);
        return path;
    }

    private T Do<T>(string what, string path, Func<T> operation)
    {
        string doing = $"{what} {path}".TrimEnd();
        signs.Began(doing);
        try
        {
            return operation();
        }
        finally
        {
            signs.Ended(doing);
        }
    }

    private void Do(string what, string path, Action operation) => Do(what, path, () =>
    {
        operation();
        return true;
    });

    private sealed class Readable(TimedFileSystem owner, string path, IReadableFile file) : IIdentifiedFile
    {
        private readonly string _reading = $"read {path}";

        public long Length => file.Length;
        public FileStatus? Status => (file as IIdentifiedFile)?.Status;

        // No closure: this is called for each block.
        public int Read(long offset, Span<byte> destination)
        {
            owner.Signs.Began(_reading);
            try
            {
                return file.Read(offset, destination);
            }
            finally
            {
                owner.Signs.Ended(_reading);
            }
        }

        public void Dispose() => file.Dispose();
    }

    private sealed class Writable(TimedFileSystem owner, string path, IWritableFile file) : IWritableFile
    {
        private readonly string _writing = $"write {path}";

        public bool WantsPages => file.WantsPages;

        // No closure: this is called for each block.
        public void Write(long offset, ReadOnlySpan<byte> block)
        {
            _ = owner.Open(path);
            owner.Signs.Began(_writing);
            try
            {
                file.Write(offset, block);
            }
            finally
            {
                owner.Signs.Ended(_writing);
            }
        }

        public void Sync() => owner.Do("fsync", path, () =>
        {
            file.Sync();
            _ = owner.Open(path);
        });

        public void Dispose() => owner.Do("close", path, file.Dispose);
    }
}
