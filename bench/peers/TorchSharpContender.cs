using Cairn.Bench;

namespace Cairn.Peers;

/// <summary>TorchSharp's own <c>save</c> and <c>load</c> of a module.</summary>
internal sealed class TorchSharpContender(string folder, StateModule model) : IContender
{
    private int _copies;

    public string Newest => PathOf(_copies);

    public Answer Do(string operation) => operation switch { "save" => Save(), "load" => Load(), _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, null) };

    public void Dispose() { }

    private string PathOf(int copy) => Path.Combine(folder, $"{copy}.dat");

    private Answer Save()
    {
        _copies++;
        return new(Measure.Time(() =>
        {
            model.save(Newest);
            RawDisk.Sync(Newest);
            File.Delete(PathOf(_copies - 2));
        }).TotalMilliseconds);
    }

    private Answer Load()
    {
        UInt128 before = model.Digest();
        model.Clear();
        TimeSpan time = Measure.Time(() => model.load(Newest));
        return new(time.TotalMilliseconds, Right: model.Digest() == before);
    }
}
