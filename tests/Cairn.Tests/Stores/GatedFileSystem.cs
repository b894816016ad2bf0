using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary>A store whose saves stand still while a gate is closed: a slow disk without a clock.</summary>
internal sealed class GatedFileSystem(IFileSystem inner) : ForwardingFileSystem(inner), IDisposable
{
    readonly ManualResetEventSlim _gate = new(initialState: true);

    public void Dispose() => _gate.Dispose();
    public void Close() => _gate.Reset();
    public void Open() => _gate.Set();

    public override IWritableFile OpenWrite(string path, long length)
    {
        if (path.StartsWith(".staging", StringComparison.Ordinal))
            _gate.Wait();
        return Inner.OpenWrite(path, length);
    }

}
