using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.PyTorch;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Conversion;

/// <summary>What is written: the files of a layout, what they hold, and how they are read back.</summary>
internal abstract class ConversionTarget
{
    /// <summary>The planned files, in the order in which they are written.</summary>
    public abstract IReadOnlyList<PlannedFile> Files { get; }
    /// <summary>What must be read back.</summary>
    public abstract IReadOnlyDictionary<string, StateNode> Expected { get; }
    /// <summary>What is written otherwise than it was read.</summary>
    public virtual IReadOnlyList<string> Notes => [];
    /// <summary>Opens what was written.</summary>
    public abstract LoadedCheckpoint Open(IFileSystem files, string folder);
    /// <summary>Whether the destination is a folder that may hold files of its owner's besides.</summary>
    public virtual bool IsFolder => false;
    /// <summary>What was read back for a name of <see cref="Expected"/>.</summary>
    public virtual StateNode ReadBack(LoadedCheckpoint opened, string name) => opened.Load(name);
}

/// <summary>A layout in which runs are trained.</summary>
internal sealed class LayoutTarget(ICheckpointLayout layout, long step, IReadOnlyList<(string Part, StateMap State)> parts) : ConversionTarget
{
    public ICheckpointLayout Layout => layout;
    public override IReadOnlyList<PlannedFile> Files { get; } = layout.Plan(step, parts);
    public override IReadOnlyDictionary<string, StateNode> Expected { get; } = parts.ToDictionary(part => part.Part, StateNode (part) => part.State, StringComparer.Ordinal);
    public override LoadedCheckpoint Open(IFileSystem files, string folder) => layout.Open(files, folder, Files.Select(file => file.Name));
}

/// <summary>A model of Hugging Face.</summary>
internal sealed class HuggingFaceTarget(StateMap model, long maxShardBytes) : ConversionTarget
{
    public override IReadOnlyList<PlannedFile> Files { get; } = HuggingFaceLayout.Plan(model, maxShardBytes);
    public override IReadOnlyDictionary<string, StateNode> Expected { get; } = new Dictionary<string, StateNode>(StringComparer.Ordinal) { [HuggingFaceLayout.ModelPart] = model };
    public override bool IsFolder => true;
    public override LoadedCheckpoint Open(IFileSystem files, string folder) => HuggingFaceLayout.Open(files, folder);
}

/// <summary>A distributed checkpoint of PyTorch.</summary>
internal sealed class DistributedTarget(DistributedLayout layout) : ConversionTarget
{
    private const string Root = "";

    public override IReadOnlyList<PlannedFile> Files => layout.Files;
    public override IReadOnlyDictionary<string, StateNode> Expected { get; } = new Dictionary<string, StateNode>(StringComparer.Ordinal) { [Root] = layout.State };
    public override bool IsFolder => true;
    public override LoadedCheckpoint Open(IFileSystem files, string folder) => LoadedTorchState.OpenDistributed(files, folder);
    public override StateNode ReadBack(LoadedCheckpoint opened, string name) => ((LoadedTorchState)opened).Root;
}

/// <summary>A model as a distributed checkpoint in safetensors.</summary>
internal sealed class ShardsTarget(StateMap model, int ranks) : ConversionTarget
{
    public override IReadOnlyList<PlannedFile> Files { get; } = ShardsLayout.Plan(model, ranks);
    public override IReadOnlyDictionary<string, StateNode> Expected { get; } = new Dictionary<string, StateNode>(StringComparer.Ordinal) { [PartSplit.Model] = ShardsLayout.Untied(model) };
    public override bool IsFolder => true;
    public override LoadedCheckpoint Open(IFileSystem files, string folder) => LoadedShards.Open(files, folder);
}

/// <summary>One file of <c>torch.save</c>: a dict of the parts, or a single part itself. An optimizer gets the form of PyTorch's <c>state_dict()</c>.</summary>
internal sealed class TorchTarget : ConversionTarget
{
    public const string LayoutName = "torch";
    private const string Model = "model", Ema = "ema", Optimizer = "optimizer", Root = "";

    private readonly string _name;
    private readonly List<string> _notes = [];

    public TorchTarget(string name, IReadOnlyList<(string Part, StateMap State)> parts)
    {
        _name = name;
        TorchValue root;
        if (parts.Count == 1)
            root = ValueOf(parts[0].Part, parts[0].State);
        else
        {
            var map = new TorchMap();
            foreach ((string part, StateMap state) in parts)
                map.Add(part, ValueOf(part, state));
            root = map;
        }
        Files = [new PlannedFile(string.Join(',', parts.Select(part => part.Part)), name, TorchFileWriter.Plan(root, ArchiveName(name)))];
        Expected = new Dictionary<string, StateNode>(StringComparer.Ordinal) { [Root] = TorchTree.ToState(root) };
    }

    public override IReadOnlyList<PlannedFile> Files { get; }
    public override IReadOnlyDictionary<string, StateNode> Expected { get; }
    public override IReadOnlyList<string> Notes => _notes;
    public override LoadedCheckpoint Open(IFileSystem files, string folder) => LoadedTorchState.OpenFile(files, folder.Length == 0 ? _name : $"{folder}/{_name}");
    public override StateNode ReadBack(LoadedCheckpoint opened, string name) => ((LoadedTorchState)opened).Root;

    /// <summary>Whether a path names a file as PyTorch's users do.</summary>
    public static bool IsFileName(string path) => System.IO.Path.GetExtension(path) is ".pt" or ".pth" or ".bin";

    // As PyTorch calls it, but for what a name within an archive cannot have.
    private static string ArchiveName(string name) =>
        System.IO.Path.GetFileNameWithoutExtension(name) is { Length: > 0 and <= 200 } stem && stem is not ("." or "..") ? stem.Replace('\\', '_').Replace(':', '_') : "archive";

    private TorchValue ValueOf(string part, StateMap state)
    {
        if (part == Optimizer && state.ContainsKey("type") && state.ContainsKey("groups"))
            return TorchOptimizer.ToTorch(state);
        TorchValue value = TorchTree.FromState(state);
        // Weights and moments keep their types.
        if (part is not (Model or Ema or Optimizer) && UnsignedNumbers.Replace(value) is > 0 and var lists)
            _notes.Add($"in the part '{part}' {(lists == 1 ? "an array" : $"{lists} arrays")} of unsigned integers became {(lists == 1 ? "a list" : "lists")} of numbers, which every PyTorch loads and numpy's set_state takes");
        return value;
    }
}
