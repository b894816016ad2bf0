using System.Globalization;
using System.Text.RegularExpressions;
using Cairn.Formats.Torch.Distributed;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch;

/// <summary>
/// The folder of a step of <see href="https://github.com/InternLM/xtuner">XTuner 1</see> (<c>checkpoints/ckpt-step-500</c>, <c>snapshot-step-520</c>): distributed checkpoints in folders of their own, beside files
/// of <c>torch.save</c> that have no ending. <c>weights</c> holds model and optimizer; older versions have the folders <c>model</c> and <c>optimizer</c>.
/// </summary>
/// <param name="Path">The folder.</param>
/// <param name="Folders">The names of the distributed checkpoints in it, those that are not whole included.</param>
/// <param name="Files">The names of its files.</param>
internal sealed partial record XTunerFolder(string Path, IReadOnlyList<string> Folders, IReadOnlyList<string> Files)
{
    /// <summary>The name of the layout.</summary>
    public const string Layout = "xtuner";

    /// <summary>Model and optimizer in one distributed checkpoint, and while it is written by processes of its own.</summary>
    public const string Weights = "weights";
    /// <summary>The distributed checkpoints of older versions.</summary>
    public const string Model = "model", Optimizer = "optimizer";
    /// <summary>The files beside them. The last one is written at the end of a save.</summary>
    public const string Scheduler = "lr_scheduler", Sampler = "dataloader", RolloutSampler = "sft_dataloader", TrainState = "train_state.json";

    private const string Unfinished = "weights.incomplete";
    private const int LargestTrainState = 1 << 20;
    private static readonly Dictionary<string, StateTensor> NoTensors = [];
    private static readonly string[] Beside = [Scheduler, Sampler, TrainState];

    /// <summary>What the names in a folder say; <see langword="null"/> when it is none.</summary>
    public static XTunerFolder? Find(IFileSource files, string path)
    {
        FileSystemEntry[] entries = [.. files.List(path)];
        string[] names = [.. entries.Where(entry => !entry.IsFolder).Select(entry => entry.Name)], folders = [.. entries.Where(entry => entry.IsFolder).Select(entry => entry.Name)];
        // What many programs have: a folder of these names, and by itself no sign of this one.
        bool isNamed = Name().IsMatch(NameOf(files, path)), isBeside = names.Intersect(Beside, StringComparer.Ordinal).Any();
        if (!isNamed && !isBeside)
            return null;
        string[] own = [.. ((string[])[Weights, Unfinished, Model, Optimizer]).Where(folder => folders.Contains(folder, StringComparer.Ordinal) && (isNamed || IsDistributed(files, StorePath.Join(path, folder))))];
        // A save that had only begun.
        return own.Length > 0 || (isNamed && isBeside) ? new XTunerFolder(path, own, names) : null;
    }

    /// <summary>Whether it is a rolling copy, of which XTuner keeps one.</summary>
    public static bool IsSnapshot(string name) => name.StartsWith("snapshot-", StringComparison.Ordinal);

    /// <summary>The step in a folder's name; <see langword="null"/> when there is none.</summary>
    public static long? StepIn(string name) => Name().Match(name) is { Success: true } match && long.TryParse(match.Groups["step"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : null;

    /// <summary>The step, by the folder's name or <c>train_state.json</c>; <see langword="null"/> when neither tells it.</summary>
    public long? Step(IFileSource files)
    {
        if (StepIn(NameOf(files, Path)) is { } named)
            return named;
        try
        {
            return ReadTrainState(files).TryGetValue("cur_step", out StateNode? node) && (node as StateScalar)?.Value is long step and >= 0 ? step : null;
        }
        catch (CorruptCheckpointException)
        {
            // Whoever asks for the part hears of it.
            return null;
        }
    }

    /// <summary>Why it is not whole; <see langword="null"/> when it seems to be. No tensor is read.</summary>
    public string? FaultIn(IFileSource files)
    {
        if (!Folders.Contains(Weights, StringComparer.Ordinal) && !Folders.Contains(Model, StringComparer.Ordinal))
        {
            return Folders.Contains(Unfinished, StringComparer.Ordinal) ? $"there is {Unfinished}/ and no {Weights}/: the save did not end"
                : Folders.Count > 0 ? $"there are no weights beside {Folders[0]}/: the save did not end" : $"there is no {Weights}/: the save did not end";
        }
        foreach (string folder in Folders.Where(folder => folder != Unfinished))
        {
            if (!files.FileExists(StorePath.Join(Path, $"{folder}/{DistributedCheckpoint.MetadataName}")))
                return $"{folder}/ has no {DistributedCheckpoint.MetadataName}: the save did not end";
        }
        if (!Files.Contains(TrainState, StringComparer.Ordinal))
            return $"there is no {TrainState}: the save did not end";
        try
        {
            ReadTrainState(files);
            return null;
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    /// <summary>What <c>train_state.json</c> says; nothing when it is not there.</summary>
    /// <exception cref="CorruptCheckpointException">It is cut off, or no JSON.</exception>
    public StateMap ReadTrainState(IFileSource files)
    {
        if (!Files.Contains(TrainState, StringComparer.Ordinal))
            return [];
        string path = StorePath.Join(Path, TrainState);
        return ValuesReader.Read(SmallFile.Read(files, path, LargestTrainState), path, NoTensors);
    }

    /// <summary>The path of something in it.</summary>
    public string Within(string name) => StorePath.Join(Path, name);

    private static bool IsDistributed(IFileSource files, string folder) =>
        files.List(folder).Any(entry => !entry.IsFolder && (entry.Name == DistributedCheckpoint.MetadataName || entry.Name.EndsWith(DistributedLayout.Extension, StringComparison.Ordinal)));

    private static string NameOf(IFileSource files, string path)
    {
        string full = path.Length > 0 ? path : files.Root.TrimEnd('/');
        return full[(full.LastIndexOf('/') + 1)..];
    }

    // The first versions had the epoch in it as well.
    [GeneratedRegex(@"^((ckpt|snapshot)-)?(epoch-[0-9]{1,18}-)?step-(?<step>[0-9]{1,18})\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex Name();
}
