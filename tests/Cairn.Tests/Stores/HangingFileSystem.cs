using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>A mount that hangs: operations on some paths do not return until it is told to come back.</summary>
internal sealed class HangingFileSystem(IFileSystem inner) : ForwardingFileSystem(inner), IDisposable
{
    readonly ManualResetEventSlim _back = new(initialState: true);
    Func<string, bool> _hangs = static _ => false;
    Action _happens = static () => { };


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

    public override IWritableFile OpenWrite(string path, long length)
    {
        At(path);
        return new Writable(this, path, Inner.OpenWrite(path, length));
    }

    public override void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        At(path);
        Inner.Append(path, bytes, durable);
    }


    void At(string path)
    {
        if (!_hangs(path))
            return;
        _happens();
        _back.Wait();
    }

    sealed class Writable(HangingFileSystem owner, string path, IWritableFile file) : IWritableFile
    {
        public void Write(long offset, ReadOnlySpan<byte> block)
        {
            owner.At(path);
            file.Write(offset, block);
        }

        public void Sync() => file.Sync();
        public void Dispose() => file.Dispose();
    }
}
