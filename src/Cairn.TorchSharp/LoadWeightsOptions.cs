namespace Cairn.TorchSharp;

/// <summary>
/// How <see cref="ModuleWeights.LoadWeights"/> brings the names and types of a file to those of a module. By default nothing is changed, and everything must fit. Names are changed in this order:
/// <see cref="StripPrefix"/>, <see cref="Rename"/>, <see cref="Rules"/>; <see cref="Take"/> and <see cref="Leave"/> see the module's names.
/// </summary>
public sealed class LoadWeightsOptions
{
    /// <summary>The value of <see cref="StripPrefix"/> that takes off what wrappers put before names, where the module's names ask for it.</summary>
    public const string Auto = "auto";

    /// <summary>Where in the file the weights are, names joined by <c>/</c>: <c>ema</c>, <c>networks/generator</c>. Default: <see langword="null"/>, the part <c>model</c>, as which <c>model</c>, <c>state_dict</c>,
    /// <c>model_state_dict</c>, <c>module</c> and their like count; a file that is nothing but weights is that part.</summary>
    public string? Key { get; init; }

    /// <summary>Whether a name of the module that the file lacks, and one of the file that the module lacks, is an error. Default: <see langword="true"/>. Shapes and types must fit in any case.</summary>
    public bool Strict { get; init; } = true;

    /// <summary>The names to load, with <c>*</c> for any characters and <c>?</c> for one; all others stay as they are, and need not be in the file. Default: empty, all.</summary>
    public IReadOnlyList<string> Take { get; init; } = [];

    /// <summary>The names to leave as they are, of those to load; with <c>*</c> and <c>?</c>. Default: empty, none.</summary>
    public IReadOnlyList<string> Leave { get; init; } = [];

    /// <summary>What is taken off the beginning of the file's names: <c>module.</c> (of DataParallel), <c>_orig_mod.</c> (of <c>torch.compile</c>), <c>model.</c>; a name without it stays. Or <see cref="Auto"/>, which finds
    /// it out and says so in the report. Default: <see langword="null"/>, nothing.</summary>
    public string? StripPrefix { get; init; }

    /// <summary>New names for names of the file; the first that fits is taken, and a name that fits none stays. <c>{n}</c> stands for one component, <c>{x*}</c> for any characters:
    /// <c>("encoder.{n}.{x*}", "blocks.{n}.{x*}")</c>. Default: empty.</summary>
    public IReadOnlyList<(string From, string To)> Rename { get; init; } = [];

    /// <summary>Ready rules by name (<c>internlm2-to-llama</c>) or a file of rules as <c>cairn convert --rules</c> takes it, which can cut and join matrices too. Default: <see langword="null"/>, none.</summary>
    public string? Rules { get; init; }

    /// <summary>Numbers that <see cref="Rules"/> need and the source's configuration does not say, such as <c>kv_heads</c>. Default: empty.</summary>
    public IReadOnlyDictionary<string, string> RuleParameters { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Whether a tensor of F64, F32, F16 or BF16 may be rounded, or widened, to the type that the module has it in; the report names each. Default: <see langword="false"/>, another type is an error.</summary>
    public bool Cast { get; init; }

    /// <summary>Whether a tensor of another shape stays as it is, with a line in the report, as <c>ignore_mismatched_sizes</c> of transformers. Default: <see langword="false"/>, it is an error.</summary>
    public bool IgnoreMismatched { get; init; }

    /// <summary>
    /// Whether the module uses the weights where they lie in the file, mapped into memory, as <c>torch.load(mmap=True)</c> with <c>assign=True</c>: nothing is read until it is used, processes that load the same file
    /// share its memory, and what a model writes into its weights stays its own and never reaches the file. It is so for dense tensors of the module's type on the CPU, in files of a disk that are not packed; all
    /// else is read as usual, also snapshots, whose files a run writes again (<see cref="LoadWeightsReport.MappedBytes"/> tells). Module and optimizer keep their tensors, but these get other memory: what was made
    /// to share it before no longer does. While the module lives, the file may be renamed and removed; a program that writes into it changes the weights, and one that cuts it short ends the process when they are used.
    /// Default: <see langword="false"/>, weights are copied into the module's memory.
    /// </summary>
    public bool Mapped { get; init; }

    /// <summary>Whether what is overwritten is kept until all is loaded, so that a read that fails or is cancelled in the middle leaves the module as it was too. It takes as much memory again as what is loaded.
    /// Default: <see langword="false"/>: everything is compared before the first byte is written, but the disk may still fail while it is read.</summary>
    public bool UndoOnFailure { get; init; }
}
