using System.Globalization;

namespace Cairn.Stores;

/// <summary>
/// The small files of a run in a store. Nothing can be appended to an object: a file that grows is kept as numbered segments, <c>journal.jsonl/000001</c>, of which the last is
/// put again with each line until it is large enough.
/// </summary>
internal sealed class StoreRunFiles(IRunStore store) : StoreFiles(store), IRunFiles
{
    private const int LargestSegment = 256 << 10;

    private readonly IRunStore _store = store;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (int Number, byte[] Bytes)> _segments = new(StringComparer.Ordinal);

    public void Put(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        byte[] content = bytes.ToArray();
        StoreCall.Wait(() => _store.PutAsync(path, content));
    }

    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        lock (_gate)
        {
            if (!_segments.TryGetValue(path, out (int Number, byte[] Bytes) last))
                last = (LastSegment(path) + 1, []);
            if (last.Bytes.Length + bytes.Length > LargestSegment && last.Bytes.Length > 0)
                last = (last.Number + 1, []);
            byte[] content = [.. last.Bytes, .. bytes];
            // Once more with the same bytes does no harm, should the answer be lost.
            StoreCall.Wait(() => _store.PutAsync($"{path}/{last.Number.ToString("D6", CultureInfo.InvariantCulture)}", content));
            _segments[path] = (last.Number, content);
        }
    }

    public void Move(string from, string to)
    {
        using (IReadableFile file = OpenRead(from))
        {
            byte[] content = new byte[file.Length];
            _ = file.Read(0, content);
            StoreCall.Wait(() => _store.PutAsync(to, content));
        }
        DeleteFile(from);
    }

    public void DeleteFile(string path) => StoreCall.Wait(() => _store.DeleteAsync(path));

    private int LastSegment(string path) =>
        List(path).Select(entry => int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0).DefaultIfEmpty().Max();
}
