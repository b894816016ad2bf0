using Cairn.Storage;

namespace Cairn.Tests.Storage;

/// <summary>A mount that hangs: operations on some paths do not return until it is told to come back.</summary>
internal sealed class HangingFileSystem(IFileSystem inner) : IFileSystem, IDisposable
{
    readonly ManualResetEventSlim _back = new(initialState: true);
    Func<string, bool> _hangs = static _ => false;
    Action _happens = static () => { };

    public string Root => inner.Root;
    public bool CanExchange => inner.CanExchange;

    /// <summary>Hangs from now on at operations that change one of these paths; each first calls <paramref name="happens"/>.</summary>
    public void Hang(Func<string, bool> at, Action happens)
    {
        (_hangs, _happens) = (at, happens);
        _back.Reset();
    }

    public void ComeBack()
    {
        _hangs = static _ => false;
        _back.Set();
    }

    public void Dispose() => _back.Set();

    public IWritableFile OpenWrite(string path, long length)
    {
        At(path);
        return new Writable(this, path, inner.OpenWrite(path, length));
    }

    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        At(path);
        inner.Append(path, bytes, durable);
    }

    public long? AvailableBytes() => inner.AvailableBytes();
    public IReadOnlyList<FileSystemEntry> List(string folder) => inner.List(folder);
    public bool FileExists(string path) => inner.FileExists(path);
    public bool FolderExists(string path) => inner.FolderExists(path);
    public void CreateFolder(string path) => inner.CreateFolder(path);
    public IReadableFile OpenRead(string path) => inner.OpenRead(path);
    public void SyncFolder(string path) => inner.SyncFolder(path);
    public bool CanOverwrite(string path) => inner.CanOverwrite(path);
    public void Move(string from, string to) => inner.Move(from, to);
    public void Exchange(string first, string second) => inner.Exchange(first, second);
    public void DeleteFile(string path) => inner.DeleteFile(path);
    public void DeleteFolder(string path) => inner.DeleteFolder(path);

    void At(string path)
    {
        if (!_hangs(path))
            return;
        _happens();
        _back.Wait();
    }

    sealed class Writable(HangingFileSystem owner, string path, IWritableFile file) : IWritableFile
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
            owner.At(path);
            file.Write(bytes);
        }

        public void Sync() => file.Sync();
        public void Dispose() => file.Dispose();
    }
}
