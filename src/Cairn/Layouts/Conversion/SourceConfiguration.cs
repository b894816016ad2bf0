using Cairn.Commit;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.Renaming;
using Cairn.State;

namespace Cairn.Layouts.Conversion;

/// <summary>Finds the numbers of a source's model that rules need: in <c>config.json</c> of Hugging Face, or in InternLM's <c>model_config</c>.</summary>
internal static class SourceConfiguration
{
    private const int LargestFile = 16 << 20;
    private const string ModelConfig = "model_config";

    public static RenamingParameters Of(LoadedCheckpoint source)
    {
        var parameters = new RenamingParameters();
        if (source.Source is { } place && source.OtherFiles.Contains(ModelFiles.Config, StringComparer.Ordinal))
        {
            string path = place.Path.Length == 0 ? ModelFiles.Config : $"{place.Path}/{ModelFiles.Config}";
            parameters = RenamingParameters.OfJson(RunFolder.ReadSmall(place.Files, path, LargestFile), path);
        }
        if (source.Parts.Contains(ModelConfig, StringComparer.Ordinal))
            return RenamingParameters.Of(source.Load(ModelConfig)).Or(parameters);
        // A run of Cairn keeps it among its own values.
        return source.Parts.Contains("context", StringComparer.Ordinal)
            && source.Load("context").TryGetValue("values", out StateNode? node) && node is StateMap values
            && values.TryGetValue(ModelConfig, out node) && node is StateMap config
            ? RenamingParameters.Of(config).Or(parameters)
            : parameters;
    }
}
