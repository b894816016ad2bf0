using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.PyTorch;
using Cairn.Layouts.Renaming;
using Cairn.State;

namespace Cairn.Conversion;

/// <summary>How a checkpoint is converted.</summary>
internal sealed class ConversionOptions
{
    /// <summary>The layouts that can be written.</summary>
    public static IReadOnlyList<string> Layouts => [.. CheckpointLayouts.Names.Order(StringComparer.Ordinal), HuggingFaceLayout.Name, TorchTarget.LayoutName, DistributedLayout.Name, ShardsLayout.Name];

    /// <summary>The layout to write: <c>cairn</c>, <c>internlm</c>, <c>huggingface</c>, <c>torch</c>, <c>dcp</c> or <c>dcp-safetensors</c>.</summary>
    public required string Layout { get; init; }

    /// <summary>The parts to take. Default: empty, which is all that the layout can hold, and the model alone under <see cref="Rules"/>.</summary>
    public IReadOnlyList<string> Parts { get; init; } = [];

    /// <summary>The type that float tensors of the parts <c>model</c> and <c>ema</c> get: F64, F32, F16 or BF16. Default: <see langword="null"/>, they keep theirs.</summary>
    public TensorType? Type { get; init; }

    /// <summary>Rules that rename the tensors of the part <c>model</c>. Default: <see langword="null"/>, none.</summary>
    public RenamingRules? Rules { get; init; }

    /// <summary>What the rules need; it wins over the source's own configuration (<c>config.json</c>, <c>model_config.pt</c>). Default: nothing.</summary>
    public RenamingParameters Parameters { get; init; } = new();

    /// <summary>Whether a name that no rule fits is an error; else it stays. Default: <see langword="true"/>.</summary>
    public bool Strict { get; init; } = true;

    /// <summary>Most bytes of tensors in a file of <c>huggingface</c>. Default: 5,000,000,000.</summary>
    public long MaxShardBytes { get; init; } = HuggingFaceLayout.DefaultMaxShardBytes;

    /// <summary>How many ranks a <c>dcp</c> or <c>dcp-safetensors</c> is of, each with a file of its own. Default: 1. A job of any other number of ranks reads it too.</summary>
    public int Ranks { get; init; } = 1;

    /// <summary>The names in a <c>dcp</c>. Default: a dict of the parts.</summary>
    public DistributedForm Form { get; init; }

    /// <summary>The step, for <c>cairn</c> and <c>internlm</c>. Default: <see langword="null"/>, the source's, or 0 when it does not say.</summary>
    public long? Step { get; init; }

    /// <summary>Whether what stands at the destination may be replaced. Default: <see langword="false"/>.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Whether every tensor is read back at the end and compared. Default: <see langword="true"/>.</summary>
    public bool Verify { get; init; } = true;
}

/// <summary>What a conversion is doing.</summary>
internal enum ConversionPhase
{
    /// <summary>Files of an earlier, interrupted conversion are hashed.</summary>
    Checking,
    /// <summary>Files are written.</summary>
    Writing,
    /// <summary>Tensors are read back and compared.</summary>
    Verifying,
}

/// <summary>How far a conversion is.</summary>
/// <param name="Phase">What it is doing.</param>
/// <param name="Item">The file, or the tensor when it verifies.</param>
/// <param name="BytesDone">Bytes done in this phase.</param>
/// <param name="BytesTotal">Bytes to do in this phase.</param>
internal readonly record struct ConversionProgress(ConversionPhase Phase, string Item, long BytesDone, long BytesTotal);

/// <summary>What a conversion did.</summary>
/// <param name="Folder">The folder in which the files stand.</param>
/// <param name="Files">The names of the files.</param>
/// <param name="Bytes">Bytes of all files.</param>
/// <param name="BytesKept">Bytes of those that an earlier, interrupted conversion had written.</param>
/// <param name="TensorsVerified">Tensors that were read back and compared.</param>
/// <param name="Notes">What the user should know: parts that were left out, and what the destination lacks.</param>
internal sealed record ConversionResult(string Folder, IReadOnlyList<string> Files, long Bytes, long BytesKept, int TensorsVerified, IReadOnlyList<string> Notes);

/// <summary>What was written is not what was converted. The destination must not be used.</summary>
internal sealed class ConversionMismatchException(string message) : CheckpointException(message);
