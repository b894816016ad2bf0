using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed;
using Cairn.Formats.Torch.Distributed.Writing;
using Cairn.Layouts.HuggingFace;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>The layout <c>dcp</c>: the folder of a distributed checkpoint of PyTorch, written as a job of any number of ranks writes it.</summary>
internal sealed class DistributedLayout
{
    /// <summary>The layout's name.</summary>
    public const string Name = "dcp";

    /// <inheritdoc cref="DistributedCheckpoint.MetadataName"/>
    public const string MetadataName = DistributedCheckpoint.MetadataName;

    /// <summary>What a file's name ends in.</summary>
    public const string Extension = ".distcp";

    private const int MostNamed = 4;

    private readonly IReadOnlyList<FlatValue> _values;

    private DistributedLayout(IReadOnlyList<FlatValue> values, IReadOnlyList<PlannedFile> files) => (_values, Files) = (values, files);

    /// <summary>The files, <c>.metadata</c> last.</summary>
    public IReadOnlyList<PlannedFile> Files { get; }

    /// <summary>The state that a reader finds.</summary>
    public StateMap State
    {
        get
        {
            var tree = new PathTree(MetadataName);
            foreach (FlatValue value in _values)
                tree.Add(value.Name, value.Path, TorchTree.ToState(value.Value));
            return tree.ToState();
        }
    }

    /// <summary>Whether a file of a folder holds weights or other state in whichever layout of PyTorch or Hugging Face, or lists it, so that it must not stay when others are written there.</summary>
    public static bool IsState(string name) => ModelFiles.IsWeights(name) || name == MetadataName || name.EndsWith(Extension, StringComparison.Ordinal) || ShardFileName.Parse(name) is not null;

    /// <summary>Plans a checkpoint. No tensor is read.</summary>
    /// <param name="stateDict">The dict that is saved.</param>
    /// <param name="ranks">How many ranks there are, as a reader sees it; at least 1.</param>
    /// <param name="notes">Takes what the user should know.</param>
    /// <exception cref="ArgumentException">The format, or a file of PyTorch, cannot hold a value; the message names it.</exception>
    public static DistributedLayout Plan(TorchMap stateDict, int ranks, ICollection<string> notes)
    {
        ArgumentNullException.ThrowIfNull(stateDict);
        ArgumentNullException.ThrowIfNull(notes);
        var flat = StateDictFlattening.Of(stateDict);
        if (flat.Empty.Count > 0)
            notes.Add($"left out, because they are empty, and the format holds values only: {string.Join(", ", flat.Empty.Take(MostNamed))}{(flat.Empty.Count > MostNamed ? $" and {flat.Empty.Count - MostNamed} more" : "")}");
        var writer = DistributedWriter.Plan(flat.Values, ranks);
        string parts = string.Join(',', flat.Values.Select(value => value.Path[0]).OfType<string>().Distinct(StringComparer.Ordinal).Take(MostNamed));
        return new DistributedLayout(flat.Values,
            [.. writer.Files.Select(file => new PlannedFile(parts, file.Name, file)), new PlannedFile(parts, MetadataName, new BytesContent(writer.Metadata))]);
    }
}
