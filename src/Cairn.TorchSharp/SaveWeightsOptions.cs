using Cairn.State;

namespace Cairn.TorchSharp;

/// <summary>What <see cref="ModuleWeights.SaveWeights"/> saves, and how.</summary>
public sealed class SaveWeightsOptions
{
    /// <summary>The names to save, with <c>*</c> for any characters and <c>?</c> for one: <c>*lora_*</c>. Default: empty, all.</summary>
    public IReadOnlyList<string> Take { get; init; } = [];

    /// <summary>The names to leave out, of those to save; with <c>*</c> and <c>?</c>. Default: empty, none.</summary>
    public IReadOnlyList<string> Leave { get; init; } = [];

    /// <summary>What is put before each name: <c>model.</c>. Default: nothing.</summary>
    public string AddPrefix { get; init; } = "";

    /// <summary>
    /// The key in a file of PyTorch, or in a distributed checkpoint, under which the weights are: <c>state_dict</c>; <c>model</c> for most jobs with FSDP. Default: <see langword="null"/>, nothing but weights, as torchtitan starts from them.
    /// </summary>
    public string? Key { get; init; }

    /// <summary>The type that tensors of F64, F32, F16 and BF16 are rounded or widened to. Default: <see langword="null"/>, they keep theirs.</summary>
    public TensorType? Type { get; init; }

    /// <summary>Most bytes of tensors in one file of a folder; a larger tensor has a file of its own. Default: 5,000,000,000.</summary>
    public long MaxShardBytes { get; init; } = 5_000_000_000;

    /// <summary>
    /// Makes a folder a distributed checkpoint of PyTorch (<c>torch.distributed.checkpoint</c>) as this many ranks write it, at least 1; a job of any number of ranks reads it. Default: <see langword="null"/>, a folder is a model of Hugging Face.
    /// </summary>
    public int? Ranks { get; init; }

    /// <summary>Whether weights that are in a folder already may be replaced; files of weights that the new ones do not have are then removed. Default: <see langword="false"/>.</summary>
    public bool Overwrite { get; init; }
}
