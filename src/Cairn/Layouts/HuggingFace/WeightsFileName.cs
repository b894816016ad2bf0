using System.Globalization;
using System.Text.RegularExpressions;

namespace Cairn.Layouts.HuggingFace;

/// <summary>
/// The name of a file of weights, as <see href="https://huggingface.co/docs/transformers/big_models">transformers</see>, diffusers and PEFT give it: <c>model.safetensors</c>, the shard
/// <c>model-00001-of-00002.safetensors</c>, the index <c>model.safetensors.index.json</c>, and the same of a variant, such as <c>model.fp16.safetensors</c>.
/// </summary>
/// <param name="Stem">What it is of: <c>model</c>, <c>pytorch_model</c>, <c>diffusion_pytorch_model</c>, <c>adapter_model</c> or <c>consolidated</c>.</param>
/// <param name="Variant">The variant, such as <c>fp16</c>; empty for none.</param>
/// <param name="Ending"><c>safetensors</c> or <c>bin</c>.</param>
/// <param name="Number">The shard's number, from 1; 0 for a file that is no shard.</param>
/// <param name="Count">How many shards there are; 0 for a file that is no shard.</param>
/// <param name="IsIndex">Whether it is the index of shards.</param>
internal sealed partial record WeightsFileName(string Stem, string Variant, string Ending, int Number, int Count, bool IsIndex)
{
    private const string Safetensors = "safetensors", Bin = "bin";

    // What is whole or has an index, in the order in which it is taken for a folder's model. Any model.bin may be something else.
    private static readonly (string Stem, string Ending)[] Known =
    [
        ("model", Safetensors), ("pytorch_model", Bin), ("diffusion_pytorch_model", Safetensors), ("diffusion_pytorch_model", Bin), (Adapter, Safetensors), (Adapter, Bin), ("consolidated", Safetensors),
    ];

    /// <summary>The stem of PEFT's adapters, which change a model that is elsewhere.</summary>
    public const string Adapter = "adapter_model";

    /// <summary>Whether it is one shard of several.</summary>
    public bool IsShard => Count > 0;

    /// <summary>How far it stands behind the files that are taken first.</summary>
    public int Rank => Array.IndexOf(Known, (Stem, Ending)) is var rank and >= 0 ? rank : Known.Length;

    /// <summary>Whether both are of one model: parts of it, or the same weights in another form.</summary>
    public bool IsOfSameModel(WeightsFileName other) => Kin == other.Kin && Variant == other.Variant;

    private string Kin => Stem == "pytorch_model" ? "model" : Stem;

    /// <summary>Reads a name; <see langword="null"/> when it is none of weights.</summary>
    public static WeightsFileName? Parse(string name)
    {
        Match match = Form().Match(name);
        if (!match.Success)
            return null;
        string stem = match.Groups["stem"].Value, ending = match.Groups["ending"].Value, variant = match.Groups["variant"].Value;
        bool isIndex = match.Groups["index"].Success, isShard = match.Groups["number"].Success;
        if (isIndex && isShard || !isShard && !Known.Contains((stem, ending)) || match.Groups["variant"].Captures.Count > 1)
            return null;
        return new WeightsFileName(stem, variant, ending, isShard ? Of(match.Groups["number"]) : 0, isShard ? Of(match.Groups["count"]) : 0, isIndex);

        static int Of(Group digits) => int.Parse(digits.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);
    }

    // A variant stands before the numbers of a shard or, of older diffusers, behind them; that of an index before its .json.
    [GeneratedRegex(@"^(?<stem>model|pytorch_model|diffusion_pytorch_model|adapter_model|consolidated)(\.(?<variant>\w+))?(-(?<number>[0-9]{5})-of-(?<count>[0-9]{5}))?(\.(?<variant>\w+))?\.(?<ending>safetensors|bin)(?<index>\.index(\.(?<variant>\w+))?\.json)?\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex Form();
}
