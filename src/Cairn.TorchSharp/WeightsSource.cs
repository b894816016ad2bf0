using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.PyTorch;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.TorchSharp;

/// <summary>Whatever holds the weights of a model, open, with the map of them found in it.</summary>
internal sealed class WeightsSource : IDisposable
{
    private WeightsSource(LoadedCheckpoint opened, string shown) => (Opened, Shown) = (opened, shown);

    /// <summary>What was opened.</summary>
    public LoadedCheckpoint Opened { get; }
    /// <summary>What to call it: its path.</summary>
    public string Shown { get; }

    /// <summary>Whether its files are not written to again: those of a snapshot of Cairn, and of a copy in a fast folder, get the bytes of a later one; and InternLM writes its snapshots over one another.</summary>
    public bool CanBeMapped => Opened.Source is not { } source || (source.Marker is { } marker
        ? marker.Kind == SaveKind.Checkpoint && source.Path[(source.Path.LastIndexOf('/') + 1)..] == RunFolder.Checkpoint(marker.Step)
        : !$"{source.FullPath}/".Contains($"/{RunFolder.Snapshots}/", StringComparison.Ordinal));

    /// <summary>Opens a file, a folder, a run, or an index of shards.</summary>
    public static WeightsSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!path.EndsWith(".index.json", StringComparison.Ordinal))
            return new WeightsSource(CheckpointReader.Open(path), path);
        string full = PlacePath.Full(path);
        return new WeightsSource(HuggingFaceLayout.OpenIndex(PlacePath.Open(PlacePath.Parent(full)!), "", PlacePath.Name(full)), path);
    }

    /// <summary>The map at a key, or the part that is meant when there is none.</summary>
    /// <exception cref="CheckpointException">There is none; the message says what there is.</exception>
    public StateMap Find(string? key, string part)
    {
        if (key is null)
            return Opened.Parts.Contains(part, StringComparer.Ordinal) ? Opened.Load(part) : throw Lacks($"no part '{part}'", Opened.Parts);
        string[] names = key.Split('/');
        StateNode node;
        if (Opened is LoadedTorchState { Root: StateMap root } && root.TryGetValue(names[0], out StateNode? top))
            node = top;
        else if (Opened.Parts.Contains(names[0], StringComparer.Ordinal))
            node = Opened.Load(names[0]);
        else
            throw Lacks($"no '{names[0]}'", Opened is LoadedTorchState { Root: StateMap all } ? all.Keys : Opened.Parts);
        for (int i = 1; i < names.Length; i++)
        {
            // A list's items go by their number.
            node = node switch
            {
                StateMap map when map.TryGetValue(names[i], out StateNode? below) => below,
                StateList list when int.TryParse(names[i], out int item) && item >= 0 && item < list.Count => list[item],
                _ => throw Lacks($"no '{string.Join('/', names[..(i + 1)])}'", node switch { StateMap map => map.Keys, StateList list => list.Select((_, item) => $"{item}"), _ => [] }),
            };
        }
        return node as StateMap ?? throw new CheckpointException($"'{key}' in {Shown} is {SavedState.Describe(node)}, and not a map of names. Give the key of one as Key.") { Path = Shown, Found = SavedState.Describe(node) };
    }

    public void Dispose() => Opened.Dispose();

    private CheckpointException Lacks(string what, IEnumerable<string> there)
    {
        string found = LoadWeightsReport.Few([.. there]);
        return new CheckpointException($"{Shown} has {what}; it has {(found.Length > 0 ? found : "nothing")}. Give the key of what you mean as Key.") { Path = Shown, Found = found };
    }
}
