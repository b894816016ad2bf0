using System.Globalization;

namespace Cairn.Layouts.HuggingFace;

/// <summary>The names of folders and files that the Trainer and downloads make in the folder of a run: its checkpoints, and what is not finished.</summary>
internal static class TrainerFolders
{
    private const string Prefix = "checkpoint-", Temporary = "tmp-" + Prefix;
    private static readonly string[] UnfinishedEndings = [".incomplete", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".aria2"];

    /// <summary>The step of a checkpoint of the Trainer, by the name of its folder; <see langword="null"/> for any other name.</summary>
    public static long? StepOf(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal) && long.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : null;

    /// <summary>Whether a name says that the save or the download of what stands there did not end: <c>tmp-checkpoint-500</c>, <c>model.safetensors.incomplete</c>.</summary>
    public static bool IsUnfinished(string name) =>
        name.StartsWith(Temporary, StringComparison.Ordinal) || Array.Exists(UnfinishedEndings, ending => name.Length > ending.Length && name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    /// <summary>What a reader of the weights in a folder should know of the folder's name and of what stands beside them.</summary>
    /// <param name="folder">The name of the folder itself.</param>
    /// <param name="folders">The names of the folders in it.</param>
    /// <param name="files">The names of the files in it.</param>
    public static IEnumerable<string> Notes(string folder, IEnumerable<string> folders, IEnumerable<string> files)
    {
        if (IsUnfinished(folder))
            yield return $"by its name '{folder}' the save into this folder did not end, so that files may be missing";
        string[] all = [.. folders];
        string[] checkpoints = [.. all.Where(name => StepOf(name) is not null).OrderByDescending(StepOf)];
        if (checkpoints.Length > 0)
            yield return $"the weights of the folder itself are shown; the Trainer's {(checkpoints.Length == 1 ? "checkpoint in it is" : $"{checkpoints.Length} checkpoints in it are others, the newest")} {checkpoints[0]}";
        string[] unfinished = [.. all.Concat(files).Where(IsUnfinished).Order(StringComparer.Ordinal)];
        if (unfinished.Length > 0)
            yield return $"not finished, by {(unfinished.Length == 1 ? "its name" : "their names")}, and not read: {string.Join(", ", unfinished.Take(5).Select(CorruptHuggingFaceException.Shorten))}{(unfinished.Length > 5 ? $" and {unfinished.Length - 5} more" : "")}";
    }
}
