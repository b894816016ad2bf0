using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch;

/// <summary>
/// The folder of a step in which a job of several ranks saved with PyTorch: of <see href="https://www.deepspeed.ai/">DeepSpeed</see> (<c>global_step500/mp_rank_00_model_states.pt</c>) or of
/// <see href="https://github.com/NVIDIA/Megatron-LM">Megatron-LM</see> (<c>iter_0000500/mp_rank_00/model_optim_rng.pt</c>). Each file of a model-parallel rank holds that rank's part of the model.
/// </summary>
/// <param name="Layout"><c>deepspeed</c> or <c>megatron</c>.</param>
/// <param name="Path">The folder of the step.</param>
/// <param name="Files">The files of the model-parallel ranks, within the folder.</param>
/// <param name="Others">Files that hold more of the state and are not read: the optimizer's, cut over the data-parallel ranks.</param>
internal sealed partial record RankFolder(string Layout, string Path, IReadOnlyList<string> Files, IReadOnlyList<string> Others)
{
    public const string DeepSpeed = "deepspeed", Megatron = "megatron";

    private const string DeepSpeedLatest = "latest", MegatronLatest = "latest_checkpointed_iteration.txt";
    private const int LargestName = 4096;
    private static readonly string[] MegatronFiles = ["model_optim_rng.pt", "model_rng.pt"];

    /// <summary>What the names in a folder say; <see langword="null"/> when it is neither.</summary>
    public static RankFolder? Find(IFileSource files, string path)
    {
        FileSystemEntry[] entries = [.. files.List(path)];
        string[] names = [.. entries.Where(entry => !entry.IsFolder).Select(entry => entry.Name).Order(StringComparer.Ordinal)];
        string[] states = [.. names.Where(name => ModelStates().IsMatch(name))];
        if (states.Length > 0)
            return new RankFolder(DeepSpeed, path, states, [.. names.Where(name => OptimizerStates().IsMatch(name))]);
        string[] ranks =
        [
            .. entries.Where(entry => entry.IsFolder && MegatronRank().IsMatch(entry.Name)).Select(entry => entry.Name).Order(StringComparer.Ordinal)
                .SelectMany(folder => MegatronFiles.Where(file => files.FileExists(Join(path, $"{folder}/{file}"))).Take(1).Select(file => $"{folder}/{file}")),
        ];
        return ranks.Length > 0 ? new RankFolder(Megatron, path, ranks, []) : null;
    }

    /// <summary>The newest step in the folder of a job, as its file <c>latest</c> says; <see langword="null"/> when there is none.</summary>
    public static RankFolder? Newest(IFileSource files, string path)
    {
        foreach (string name in (string[])[DeepSpeedLatest, MegatronLatest])
        {
            if (!files.FileExists(Join(path, name)))
                continue;
            string said = Encoding.UTF8.GetString(SmallFile.Read(files, Join(path, name), LargestName)).Trim();
            string folder = name == MegatronLatest && long.TryParse(said, NumberStyles.None, CultureInfo.InvariantCulture, out long iteration)
                ? string.Create(CultureInfo.InvariantCulture, $"iter_{iteration:0000000}") : said;
            if (StorePath.IsName(folder) && files.FolderExists(Join(path, folder)) && Find(files, Join(path, folder)) is { } newest)
                return newest;
        }
        return null;
    }

    /// <summary>Opens the state of the only model-parallel rank.</summary>
    /// <exception cref="CheckpointException">There are several.</exception>
    public LoadedCheckpoint Open(IFileSource files)
    {
        RequireWhole(Path);
        string[] notes = Others.Count == 0 ? [] : [$"the optimizer's states of {Others.Count} data-parallel ranks are not read: {Others[0]}{(Others.Count > 1 ? ", …" : "")}"];
        return LoadedTorchState.OpenFile(files, Join(Path, Files[0]), Files[0], notes);
    }

    /// <summary>Refuses what several model-parallel ranks wrote, each a part of the model.</summary>
    /// <exception cref="CheckpointException">There are several.</exception>
    public void RequireWhole(string shown)
    {
        if (Files.Count > 1)
        {
            throw new CheckpointException(
                $"{shown} holds the model cut over {Files.Count} model-parallel ranks, and those of {(Layout == DeepSpeed ? "DeepSpeed" : "Megatron-LM")} cannot be put together here. Give the file of one rank, such as {Files[0]}, or write the whole model with its own tools first.")
            { Path = shown };
        }
    }

    private static string Join(string folder, string name) => folder.Length == 0 ? name : $"{folder}/{name}";

    [GeneratedRegex(@"^mp_rank_[0-9]{1,6}_model_states\.pt\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex ModelStates();

    [GeneratedRegex(@"^(bf16_)?zero_pp_rank_[0-9]{1,6}_mp_rank_[0-9]{1,6}_optim_states\.pt\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex OptimizerStates();

    [GeneratedRegex(@"^mp_rank_[0-9]{1,6}(_[0-9]{1,6}){0,2}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex MegatronRank();
}
