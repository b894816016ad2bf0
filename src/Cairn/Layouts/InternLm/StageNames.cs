using System.Globalization;
using System.Text.RegularExpressions;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// Names of the whole model from those of a pipeline stage. Every stage, and with an interleaved schedule every chunk of a stage, numbers its layers from 0;
/// chunks come first in the model's order (<c>internlm/solver/pipeline_utils.py</c>, <c>partition_uniform</c>).
/// </summary>
internal sealed partial class StageNames
{
    private readonly Dictionary<(int Stage, int Chunk), int> _offsets = [];

    /// <param name="names">The names of each stage, in order.</param>
    public StageNames(IReadOnlyList<IReadOnlyCollection<string>> names)
    {
        var layers = new SortedDictionary<(int Chunk, int Stage), int>();
        for (int stage = 0; stage < names.Count; stage++)
        {
            foreach (string name in names[stage])
            {
                (int chunk, _, int? layer, _) = Split(name);
                if (layer is { } number)
                    layers[(chunk, stage)] = Math.Max(layers.GetValueOrDefault((chunk, stage)), number + 1);
            }
        }
        foreach (((int chunk, int stage), int count) in layers)
        {
            _offsets[(stage, chunk)] = Layers;
            Layers += count;
        }
    }

    /// <summary>Layers of the whole model.</summary>
    public int Layers { get; }

    /// <summary>The name in the whole model.</summary>
    public string Whole(string name, int stage)
    {
        (int chunk, string before, int? layer, string after) = Split(name);
        return layer is { } number ? string.Create(CultureInfo.InvariantCulture, $"{before}{number + _offsets.GetValueOrDefault((stage, chunk))}{after}") : before;
    }

    // "1.model.layers.3.attention.wo.weight": the chunk, the model's wrapper, what stands before the layer's number, and after it.
    private static (int Chunk, string Before, int? Layer, string After) Split(string name)
    {
        string left = name.Replace("_fsdp_wrapped_module.", "", StringComparison.Ordinal);
        int chunk = 0;
        if (Chunks().Match(left) is { Success: true } chunkMatch)
        {
            chunk = int.Parse(chunkMatch.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);
            left = left[chunkMatch.Length..];
        }
        if (left.StartsWith("model.", StringComparison.Ordinal))
            left = left["model.".Length..];
        if (LayerNumber().Match(left) is not { Success: true } match)
            return (chunk, left, null, "");
        Group number = match.Groups[1];
        return (chunk, left[..number.Index], int.Parse(number.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture), left[(number.Index + number.Length)..]);
    }

    [GeneratedRegex(@"^(?<number>[0-9]{1,4})\.", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Chunks();

    [GeneratedRegex(@"^(layers|blocks)\.(?<number>[0-9]{1,6})\.", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex LayerNumber();
}
