using Cairn.Formats.Torch.Distributed;
using Cairn.Layouts.HuggingFace;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch;

/// <summary>The folder of a distributed checkpoint in safetensors: one part, the model, with what else stands beside it.</summary>
internal sealed class LoadedShards : LoadedCheckpoint
{
    private const int MostNamed = 4;

    private readonly StateMap _state = [];
    private readonly IReadOnlyList<string> _files;

    private LoadedShards(SafetensorsShards shards, string[] names)
    {
        _files = Keep(shards).Files;
        foreach ((string name, StateTensor tensor) in shards.Tensors)
            _state.Add(name, tensor);
        OtherFiles = [.. names.Where(name => !ModelFiles.HoldsTensors(name)).Order(StringComparer.Ordinal)];
        Notes = shards.FilesSaid is not null ? []
            : [$"the files of {_files.Count} ranks are read{(shards.Absent.Count > 0 ? $", none of the ranks {string.Join(", ", shards.Absent.Take(MostNamed))}{(shards.Absent.Count > MostNamed ? ", …" : "")}" : "")}; how many ranks there were the format does not say, so whether the last ones' files are all there cannot be seen"];
    }

    public override IReadOnlyList<string> Parts => [PartSplit.Model];
    public override IReadOnlyList<string> OtherFiles { get; }
    public override IReadOnlyList<string> Notes { get; }
    public override IReadOnlyList<string> FilesOf(string part) => part == PartSplit.Model ? _files : throw Unknown(part);
    public override StateMap Load(string part) => part == PartSplit.Model ? _state : throw Unknown(part);

    /// <summary>Opens a folder.</summary>
    /// <inheritdoc cref="SafetensorsShards.Open"/>
    public static LoadedShards Open(IFileSource files, string folder)
    {
        string[] names = [.. files.List(folder).Where(entry => !entry.IsFolder).Select(entry => entry.Name)];
        return new LoadedShards(SafetensorsShards.Open(files, folder, names), names);
    }

    private static KeyNotFoundException Unknown(string part) => new($"There is no part '{part}': a distributed checkpoint in safetensors is one part, '{PartSplit.Model}'.");
}
