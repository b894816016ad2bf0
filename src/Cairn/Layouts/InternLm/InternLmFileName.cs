using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Cairn.Layouts.InternLm;

/// <summary>What a file of an InternLM checkpoint holds.</summary>
internal enum InternLmFileKind
{
    /// <summary>
    /// The weights of one rank: <c>model_tp0_pp0.pt</c>, with ISP <c>model_tp0_wp0_pp0.pt</c> and since 2024-07 <c>model_wp0_pp0.pt</c>, with FSDP
    /// <c>model_tp0_pp0_dp0.pt</c>.
    /// </summary>
    Model,
    /// <summary>
    /// Which modules are cut along which dimension; a file of PyTorch in spite of its name: <c>topo_tp0_pp0.json</c>, with ISP <c>topo_tp0_wp0_pp0.json</c> or
    /// <c>topo_wp0_pp0.json</c>.
    /// </summary>
    Topology,
    /// <summary>One expert of one layer: <c>model_moe_layer0_expert0_tp0.pt</c>, with ISP since 2024-07 <c>model_moe_layer0_expert0_wp0.pt</c>.</summary>
    Expert,
    /// <summary>
    /// The optimizer's partition of one rank: <c>optimizer_tp0_pp0_zo0.pt</c>, with ISP <c>optimizer_tp0_wp0_pp0_dp0.pt</c> and since 2024-07
    /// <c>optimizer_wp0_pp0_zo0.pt</c>; where experts have more ZeRO ranks than the rest <c>optimizer_ep0_tp0_pp0_zo0.pt</c> or
    /// <c>optimizer_ep0_ewp0_pp0_zo0.pt</c>; with the newer FSDP <c>optimizer_fsdp0.pt</c>.
    /// </summary>
    Optimizer,
    /// <summary>Which parameters each ZeRO rank holds: <c>gpus-8_wp-0_tp-0_dp-0_pp-0_zo-0.pt</c>, in InternLM 0.2 <c>gpus-8_pp-0_tp-0_zo-0.pt</c>.</summary>
    Plan,
    /// <summary>The learning-rate scheduler: <c>schedulder.pt</c>, spelled like this.</summary>
    Scheduler,
    /// <summary>The data sampler: <c>sampler.pt</c>, or <c>sampler_0.pt</c> for each data-parallel rank.</summary>
    Sampler,
    /// <summary>The counters: <c>context.pt</c>.</summary>
    Context,
    /// <summary>The model's configuration: <c>model_config.pt</c>.</summary>
    ModelConfig,
    /// <summary>The text of the training configuration: <c>config_file.pt</c>.</summary>
    ConfigFile,
    /// <summary>The completion marker: <c>250.step</c>.</summary>
    Step,
}

/// <summary>
/// The name of a file of an InternLM checkpoint, with the coordinates of the rank that wrote it. Names as InternLM 0.2 and InternEvo write
/// them (<c>internlm/checkpoint/components.py</c>, <c>checkpoint_manager.py</c>, <c>solver/optimizer/hybrid_zero_optim.py</c>).
/// </summary>
/// <param name="Kind">What the file holds.</param>
internal sealed partial record InternLmFileName(InternLmFileKind Kind)
{
    // Far above any job, and low enough to be multiplied.
    private const long LargestCoordinate = 999_999;

    // Text in the name, then each coordinate: its letters and where they stand.
    private static readonly (InternLmFileKind Kind, string Pattern)[] Patterns =
    [
        (InternLmFileKind.Model, "model_tp{tp}_pp{pp}.pt"),
        (InternLmFileKind.Model, "model_tp{tp}_wp{wp}_pp{pp}.pt"),
        (InternLmFileKind.Model, "model_wp{wp}_pp{pp}.pt"),
        (InternLmFileKind.Model, "model_tp{tp}_pp{pp}_dp{dp}.pt"),
        (InternLmFileKind.Topology, "topo_tp{tp}_pp{pp}.json"),
        (InternLmFileKind.Topology, "topo_tp{tp}_wp{wp}_pp{pp}.json"),
        (InternLmFileKind.Topology, "topo_wp{wp}_pp{pp}.json"),
        (InternLmFileKind.Expert, "model_moe_layer{layer}_expert{expert}_tp{tp}.pt"),
        (InternLmFileKind.Expert, "model_moe_layer{layer}_expert{expert}_wp{wp}.pt"),
        (InternLmFileKind.Optimizer, "optimizer_tp{tp}_pp{pp}_zo{zo}.pt"),
        (InternLmFileKind.Optimizer, "optimizer_tp{tp}_wp{wp}_pp{pp}_dp{dp}.pt"),
        (InternLmFileKind.Optimizer, "optimizer_wp{wp}_pp{pp}_zo{zo}.pt"),
        (InternLmFileKind.Optimizer, "optimizer_ep{ep}_tp{tp}_pp{pp}_zo{zo}.pt"),
        (InternLmFileKind.Optimizer, "optimizer_ep{ep}_ewp{wp}_pp{pp}_zo{zo}.pt"),
        (InternLmFileKind.Optimizer, "optimizer_fsdp{dp}.pt"),
        (InternLmFileKind.Plan, "gpus-{gpus}_wp-{wp}_tp-{tp}_dp-{dp}_pp-{pp}_zo-{zo}.pt"),
        (InternLmFileKind.Plan, "gpus-{gpus}_pp-{pp}_tp-{tp}_zo-{zo}.pt"),
        (InternLmFileKind.Scheduler, "schedulder.pt"),
        (InternLmFileKind.Sampler, "sampler.pt"),
        (InternLmFileKind.Sampler, "sampler_{dp}.pt"),
        (InternLmFileKind.Context, "context.pt"),
        (InternLmFileKind.ModelConfig, "model_config.pt"),
        (InternLmFileKind.ConfigFile, "config_file.pt"),
        (InternLmFileKind.Step, "{step}.step"),
    ];

    /// <summary>Tensor-parallel rank.</summary>
    public int? Tp { get; init; }
    /// <summary>Weight-parallel rank of ISP; of experts, and in the name of an optimizer's file with <see cref="Ep"/>, that of the experts' weights.</summary>
    public int? Wp { get; init; }
    /// <summary>Expert-parallel rank.</summary>
    public int? Ep { get; init; }
    /// <summary>Pipeline-parallel rank.</summary>
    public int? Pp { get; init; }
    /// <summary>Data-parallel rank; of the newer FSDP the rank of the whole job.</summary>
    public int? Dp { get; init; }
    /// <summary>ZeRO rank.</summary>
    public int? Zo { get; init; }
    /// <summary>Layer of an expert, counted over all pipeline stages.</summary>
    public int? Layer { get; init; }
    /// <summary>Number of an expert, counted over all expert-parallel ranks.</summary>
    public int? Expert { get; init; }
    /// <summary>Ranks of the whole job, in the name of a plan.</summary>
    public int? Gpus { get; init; }
    /// <summary>The step of a completion marker.</summary>
    public long? Step { get; init; }

    /// <summary>Reads a name. Numbers have no sign and no leading zeros, as Python writes them.</summary>
    /// <returns>Whether it is a name of such a file; others, <c>model_tp0_pp0.pt.md5</c> among them, are not.</returns>
    public static bool TryParse(string name, [NotNullWhen(true)] out InternLmFileName? result)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach ((InternLmFileKind kind, string pattern) in Patterns)
        {
            result = Match(kind, pattern, name);
            if (result is not null)
                return true;
        }
        result = null;
        return false;
    }

    /// <summary>
    /// Whether a name is made like that of a shard of the model or the optimizer, with coordinates that <see cref="TryParse"/> does not know: a file of a newer
    /// program, without which nothing can be said of the folder.
    /// </summary>
    internal static bool IsUnknownShard(string name) => UnknownShard().IsMatch(name) && !TryParse(name, out _);

    [GeneratedRegex(@"^((model|optimizer|topo)(_[a-z]+[0-9]+)+|model_moe_.+|gpus-[0-9]+_.+)\.(pt|json)$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex UnknownShard();

    /// <summary>The name.</summary>
    /// <exception cref="InvalidOperationException">There is no name with just these coordinates.</exception>
    public override string ToString()
    {
        foreach ((InternLmFileKind kind, string pattern) in Patterns)
        {
            if (kind == Kind && Fill(pattern) is { } name && Match(kind, pattern, name) == this)
                return name;
        }
        throw new InvalidOperationException($"A file of the kind {Kind} has no name with the coordinates tp {Tp}, wp {Wp}, ep {Ep}, pp {Pp}, dp {Dp}, zo {Zo}.");
    }

    private long? this[string coordinate] => coordinate switch
    {
        "tp" => Tp,
        "wp" => Wp,
        "ep" => Ep,
        "pp" => Pp,
        "dp" => Dp,
        "zo" => Zo,
        "layer" => Layer,
        "expert" => Expert,
        "gpus" => Gpus,
        _ => Step,
    };

    private InternLmFileName? With(string coordinate, long value) => coordinate == "step" ? this with { Step = value } : value > LargestCoordinate ? null : coordinate switch
    {
        "tp" => this with { Tp = (int)value },
        "wp" => this with { Wp = (int)value },
        "ep" => this with { Ep = (int)value },
        "pp" => this with { Pp = (int)value },
        "dp" => this with { Dp = (int)value },
        "zo" => this with { Zo = (int)value },
        "layer" => this with { Layer = (int)value },
        "expert" => this with { Expert = (int)value },
        _ => this with { Gpus = (int)value },
    };

    private static InternLmFileName? Match(InternLmFileKind kind, string pattern, string name)
    {
        var result = new InternLmFileName(kind);
        ReadOnlySpan<char> left = name;
        foreach ((string text, string coordinate) in Pieces(pattern))
        {
            if (!left.StartsWith(text, StringComparison.Ordinal))
                return null;
            left = left[text.Length..];
            if (coordinate.Length == 0)
                continue;
            int end = left.IndexOfAnyExceptInRange('0', '9');
            ReadOnlySpan<char> digits = end < 0 ? left : left[..end];
            if (digits.IsEmpty || (digits.Length > 1 && digits[0] == '0') || !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long value))
                return null;
            if (result.With(coordinate, value) is not { } next)
                return null;
            result = next;
            left = left[digits.Length..];
        }
        return left.IsEmpty ? result : null;
    }

    private string? Fill(string pattern)
    {
        var name = new StringBuilder();
        foreach ((string text, string coordinate) in Pieces(pattern))
        {
            name.Append(text);
            if (coordinate.Length == 0)
                continue;
            if (this[coordinate] is not { } value)
                return null;
            name.Append(CultureInfo.InvariantCulture, $"{value}");
        }
        return name.ToString();
    }

    private static IEnumerable<(string Text, string Coordinate)> Pieces(string pattern)
    {
        for (int start = 0; start < pattern.Length;)
        {
            int open = pattern.IndexOf('{', start);
            if (open < 0)
            {
                yield return (pattern[start..], "");
                yield break;
            }
            int close = pattern.IndexOf('}', open);
            yield return (pattern[start..open], pattern[(open + 1)..close]);
            start = close + 1;
        }
    }
}
