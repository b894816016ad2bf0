using System.Globalization;
using System.Text.RegularExpressions;

namespace Cairn.Formats.Torch.Distributed;

/// <summary>
/// The name of a file in which one rank keeps its part of a model in safetensors, as PyTorch's <c>HuggingFaceStorageWriter</c> gives it: <c>shard-00001-model-00001-of-00001.safetensors</c>.
/// </summary>
/// <param name="Shard">The rank that wrote it, from 1.</param>
/// <param name="Number">Which of the files that the tensors are spread over, from 1.</param>
/// <param name="Count">How many files they are spread over. How many ranks there are no name says.</param>
internal sealed partial record ShardFileName(int Shard, int Number, int Count)
{
    /// <summary>Reads a name; <see langword="null"/> when it is none of these.</summary>
    public static ShardFileName? Parse(string name)
    {
        Match match = Form().Match(name);
        return match.Success ? new ShardFileName(Of("shard"), Of("number"), Of("count")) : null;

        int Of(string group) => int.Parse(match.Groups[group].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);
    }

    /// <summary>The name.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"shard-{Shard:00000}-model-{Number:00000}-of-{Count:00000}.safetensors");

    [GeneratedRegex(@"^shard-(?<shard>[0-9]{5,9})-model-(?<number>[0-9]{5,9})-of-(?<count>[0-9]{5,9})\.safetensors\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex Form();
}
