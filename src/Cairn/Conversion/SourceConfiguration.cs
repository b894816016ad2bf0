using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.Renaming;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Conversion;

/// <summary>What a source says of its model: <c>config.json</c> of Hugging Face, and the numbers that rules need, from there or from InternLM's <c>model_config</c>.</summary>
/// <param name="Config">The bytes of <c>config.json</c>; <see langword="null"/> when there is none.</param>
/// <param name="Parameters">The numbers.</param>
internal sealed record SourceConfiguration(byte[]? Config, RenamingParameters Parameters)
{
    private const int LargestFile = 16 << 20;
    private const string ModelConfigPart = "model_config", ContextPart = "context", ValuesKey = "values";

    public static SourceConfiguration Of(LoadedCheckpoint source)
    {
        byte[]? config = null;
        var parameters = new RenamingParameters();
        if (source.Source is { } place && source.OtherFiles.Contains(ModelFiles.Config, StringComparer.Ordinal))
        {
            string path = place.Path.Length == 0 ? ModelFiles.Config : $"{place.Path}/{ModelFiles.Config}";
            config = SmallFile.Read(place.Files, path, LargestFile);
            parameters = RenamingParameters.OfJson(config, path);
        }
        return new SourceConfiguration(config, OfInternLm(source) is { } internLm ? RenamingParameters.Of(internLm).Or(parameters) : parameters);
    }

    private static StateMap? OfInternLm(LoadedCheckpoint source)
    {
        if (source.Parts.Contains(ModelConfigPart, StringComparer.Ordinal))
            return source.Load(ModelConfigPart);
        // A run of Cairn keeps it among its own values.
        return source.Parts.Contains(ContextPart, StringComparer.Ordinal)
            && source.Load(ContextPart).TryGetValue(ValuesKey, out StateNode? node) && node is StateMap values
            && values.TryGetValue(ModelConfigPart, out node)
            ? node as StateMap
            : null;
    }
}
