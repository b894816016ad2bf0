using Cairn.Formats.Safetensors;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts;

/// <summary>A checkpoint of the layout <c>cairn</c>. The headers of a part's files are read when the part is loaded, several at a time.</summary>
internal sealed class LoadedCairn : LoadedCheckpoint
{
    private const int HeadersAtOnce = 8;

    private readonly IFileSource _store;
    private readonly string _folder;
    private readonly IReadOnlyDictionary<string, IReadOnlyList<string>> _files;
    private readonly FilePool _pool;

    public LoadedCairn(IFileSource store, string folder, IEnumerable<string> fileNames)
    {
        (_store, _folder) = (store, folder);
        _files = CairnLayout.FilesByPart(fileNames);
        _pool = Keep(new FilePool(store));
        Parts = [.. _files.Keys];
    }

    public override IReadOnlyList<string> Parts { get; }

    public override IReadOnlyList<string> FilesOf(string part) =>
        _files.TryGetValue(part, out IReadOnlyList<string>? files) ? files : throw new KeyNotFoundException($"The checkpoint has no part '{part}'.");

    public override IReadOnlyList<int> RanksOf(string part) => [.. OwnFiles(part).Keys];

    public override StateMap Load(string part)
    {
        // A state of each rank's own has no whole: the first one stands for it.
        if (OwnFiles(part) is { Count: > 0 } own)
            return Read(own.Values[0]);
        string[] files = [.. FilesOf(part)];
        var trees = new (string File, StateMap Tree)[files.Length];
        try
        {
            Parallel.For(0, files.Length, new ParallelOptions { MaxDegreeOfParallelism = HeadersAtOnce }, i => trees[i] = (files[i], Read(files[i])));
        }
        catch (AggregateException e)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
        return PartMerge.Merge(part, _folder, trees);
    }

    public override StateMap Load(string part, int rank) =>
        OwnFiles(part).TryGetValue(rank, out string? file) ? Read(file) : throw new KeyNotFoundException($"The checkpoint has no state of part '{part}' for rank {rank}.");

    private SortedList<int, string> OwnFiles(string part)
    {
        var own = new SortedList<int, string>();
        foreach (string file in FilesOf(part))
        {
            if (PartFileName.Parse(file) is { Scope: not PartScope.Shared } name)
                own.Add(name.Index, file);
        }
        return own;
    }

    private StateMap Read(string fileName)
    {
        string path = _folder.Length == 0 ? fileName : $"{_folder}/{fileName}";
        if (System.IO.Path.GetExtension(fileName) == PartEncoder.JsonExtension)
        {
            using IReadableFile json = _store.OpenRead(path);
            return PartDecoder.DecodeJson(json, path);
        }
        return PartDecoder.Decode(SafetensorsFile.Open(_pool.Open(path), path));
    }
}
