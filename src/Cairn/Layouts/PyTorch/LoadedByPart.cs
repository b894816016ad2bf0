using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>A checkpoint each part of which is made when it is asked for, once.</summary>
internal abstract class LoadedByPart : LoadedCheckpoint
{
    private readonly OrderedDictionary<string, (IReadOnlyList<string> Files, Func<StateMap> Load)> _parts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StateMap> _loaded = new(StringComparer.Ordinal);

    public override IReadOnlyList<string> Parts => [.. _parts.Keys];
    public override IReadOnlyList<string> FilesOf(string part) => Find(part).Files;

    public override StateMap Load(string part)
    {
        (_, Func<StateMap> load) = Find(part);
        return _loaded.TryGetValue(part, out StateMap? state) ? state : _loaded[part] = load();
    }

    /// <summary>Whether there is a part of this name.</summary>
    protected bool HasPart(string part) => _parts.ContainsKey(part);

    /// <summary>Adds a part.</summary>
    /// <param name="part">Its name.</param>
    /// <param name="files">The files that it stands in.</param>
    /// <param name="load">Makes it.</param>
    protected void Add(string part, IReadOnlyList<string> files, Func<StateMap> load) => _parts.Add(part, (files, load));

    private (IReadOnlyList<string> Files, Func<StateMap> Load) Find(string part) =>
        _parts.TryGetValue(part, out (IReadOnlyList<string> Files, Func<StateMap> Load) found) ? found : throw new KeyNotFoundException($"There is no part '{part}'. The parts are: {string.Join(", ", _parts.Keys)}.");
}
