namespace Cairn.Stores;

/// <summary>
/// A store that remembers which of its operations is under way and since when, so that one that hangs can be named. Once given up (<see cref="GiveUp"/>), it writes nothing more:
/// what was to be written may have changed meanwhile. For one writer at a time; it may be asked from any thread.
/// </summary>
internal sealed class TimedFileSystem(IFileSystem inner, TimeProvider time) : ForwardingFileSystem(inner)
{
    private long _lastSign = time.GetTimestamp();
    private volatile string? _underWay;
    private volatile bool _isGivenUp;

    /// <summary>Begins anew: what was given up belongs to the save before.</summary>
    public void Begin()
    {
        _isGivenUp = false;
        Progressed();
    }

    /// <summary>Lets no more bytes be written, nor anything get its name, until <see cref="Begin"/>.</summary>
    public void GiveUp() => _isGivenUp = true;

    /// <summary>A sign of life that is no operation of the store.</summary>
    public void Progressed() => Volatile.Write(ref _lastSign, time.GetTimestamp());

    /// <summary>How long ago the last operation began or ended.</summary>
    public TimeSpan Silence => time.GetElapsedTime(Volatile.Read(ref _lastSign));

    /// <summary>What hangs, in words.</summary>
    public StoreException Hangs(string whose)
    {
        string operation = _underWay is { } what ? $"'{what}' has not returned" : "nothing has been written";
        return new StoreException($"{whose} hangs in {Root}: {operation} for {Silence.TotalSeconds:0} s. Look at the disk or mount; training goes on, and saves succeed again when it answers.") { Path = Root, IsTransient = true };
    }

    public override long? AvailableBytes() => Do("look for free space", "", Inner.AvailableBytes);
    public override long? AvailableBytes(string folder) => Do("look for free space in", folder, () => Inner.AvailableBytes(folder));
    public override long ReclaimableBytes(string folder) => Do("measure", folder, () => Inner.ReclaimableBytes(folder));
    public override IReadOnlyList<FileSystemEntry> List(string folder) => Do("list", folder, () => Inner.List(folder));
    public override bool FileExists(string path) => Do("look for", path, () => Inner.FileExists(path));
    public override bool FolderExists(string path) => Do("look for", path, () => Inner.FolderExists(path));
    public override bool CanOverwrite(string path) => Do("look at", path, () => Inner.CanOverwrite(path));
    public override IReadableFile OpenRead(string path) => new Readable(this, path, Do("open", path, () => Inner.OpenRead(path)));
    public override IWritableFile OpenWrite(string path, long length) => new Writable(this, path, Do("open", path, () => Inner.OpenWrite(Open(path), length)));
    public override void CreateFolder(string path) => Do("create", path, () => Inner.CreateFolder(path));
    public override void SyncFolder(string path) => Do("fsync", path, () => Inner.SyncFolder(path));
    public override void Move(string from, string to) => Do("rename", from, () => Inner.Move(Open(from), to));
    public override void Exchange(string first, string second) => Do("rename", first, () => Inner.Exchange(Open(first), second));
    public override void DeleteFile(string path) => Do("delete", path, () => Inner.DeleteFile(path));
    public override void DeleteFolder(string path) => Do("delete", path, () => Inner.DeleteFolder(path));

    private string Open(string path) => _isGivenUp ? throw new IOException($"The save was given up while {Root} did not answer; '{path}' is not written.") : path;

    private T Do<T>(string what, string path, Func<T> operation)
    {
        _underWay = $"{what} {path}".TrimEnd();
        Progressed();
        try
        {
            return operation();
        }
        finally
        {
            _underWay = null;
            Progressed();
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
            owner._underWay = _reading;
            owner.Progressed();
            try
            {
                return file.Read(offset, destination);
            }
            finally
            {
                owner._underWay = null;
                owner.Progressed();
            }
        }

        public void Dispose() => file.Dispose();
    }

    private sealed class Writable(TimedFileSystem owner, string path, IWritableFile file) : IWritableFile
    {
        private readonly string _writing = $"write {path}";

        // No closure: this is called for each block.
        public void Write(ReadOnlySpan<byte> bytes)
        {
            _ = owner.Open(path);
            owner._underWay = _writing;
            owner.Progressed();
            try
            {
                file.Write(bytes);
            }
            finally
            {
                owner._underWay = null;
                owner.Progressed();
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
