using System.Text.Json;
using Cairn.Cli.Listing;
using Cairn.Stores;

namespace Cairn.Cli.Pruning;

/// <summary>The checkpoint that the Trainer of transformers will load at the end of its run.</summary>
internal static class BestModel
{
    private const string State = "trainer_state.json", Best = "best_model_checkpoint";
    // It holds the whole log of the run.
    private const int LargestState = 256 << 20;

    /// <summary>Names of folders that any of the checkpoints calls the best so far.</summary>
    public static HashSet<string> Among(string root, IEnumerable<ListedCopy> copies)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        // The newest state knows the best of all before it.
        foreach (ListedCopy copy in copies.Where(copy => copy is { Layout: CopyRecognition.HuggingFace, Fault: null }))
        {
            if (NameIn(Path.Join(root, copy.Name, State)) is { } name)
            {
                names.Add(name);
                break;
            }
        }
        return names;
    }

    private static string? NameIn(string path)
    {
        try
        {
            if (!File.Exists(path))
                return null;
            using JsonDocument state = JsonDocument.Parse(RegularFile.ReadAll(path, LargestState));
            return state.RootElement.ValueKind == JsonValueKind.Object && state.RootElement.TryGetProperty(Best, out JsonElement best) && best.ValueKind == JsonValueKind.String
                ? Path.GetFileName(Path.TrimEndingDirectorySeparator(best.GetString()!))
                : null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
