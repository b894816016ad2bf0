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
/// <param name="Optimizers">The files of DeepSpeed's optimizer, cut over the data-parallel ranks, in their order.</param>
internal sealed partial record RankFolder(string Layout, string Path, IReadOnlyList<string> Files, IReadOnlyList<string> Optimizers)
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
        string[] states = InOrder(names, ModelStates());
        if (states.Length > 0)
            return new RankFolder(DeepSpeed, path, states, InOrder(names, OptimizerStates()));
        string[] ranks =
        [
            .. entries.Where(entry => entry.IsFolder && MegatronRank().IsMatch(entry.Name)).Select(entry => entry.Name).Order(StringComparer.Ordinal)
                .SelectMany(folder => MegatronFiles.Where(file => files.FileExists(Join(path, $"{folder}/{file}"))).Take(1).Select(file => $"{folder}/{file}")),
        ];
        return ranks.Length > 0 ? new RankFolder(Megatron, path, ranks, []) : null;
    }

    /// <summary>Why the step is not whole, as far as the names and the first file of the optimizer tell; <see langword="null"/> when it seems to be.</summary>
    public string? FaultIn(IFileSource files)
    {
        if (MissingRank is { } missing)
            return $"the optimizer's file of rank {missing} is missing: the save did not end";
        return Optimizers.Count > 0 && LoadedTorchState.PartitionsIn(files, Join(Path, Optimizers[0])) is { } count ? ZeroStates.FaultOf(count, Optimizers.Count) : null;
    }

    /// <summary>The first data-parallel rank whose file of the optimizer is not there while that of a later one is.</summary>
    public int? MissingRank
    {
        get
        {
            int[] numbers = [.. Optimizers.Select(name => OptimizerStates().Match(name)).Where(match => Number(match, "mp") == 0).Select(match => Number(match, "dp"))];
            for (int rank = 0; rank < numbers.Length; rank++)
            {
                if (numbers[rank] != rank)
                    return rank;
            }
            return null;
        }
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
    /// <exception cref="CorruptCheckpointException">Files of the optimizer are missing, or contradict each other.</exception>
    public LoadedCheckpoint Open(IFileSource files)
    {
        RequireWhole(Path);
        if (MissingRank is { } missing)
            throw new CorruptCheckpointException($"The optimizer's file of rank {missing} is missing in {Path}, and those of later ranks are there: {Optimizers[^1]}. The save was not ended, or files were lost: take another checkpoint.") { Path = Path };
        return Optimizers.Count == 0 ? LoadedTorchState.OpenFile(files, Join(Path, Files[0]), Files[0], []) : LoadedTorchState.OpenZero(files, Path, Files, Optimizers);
    }

    /// <summary>Refuses what several model-parallel ranks wrote, each a part of the model.</summary>
    /// <exception cref="CheckpointException">There are several.</exception>
    public void RequireWhole(string shown)
    {
        int ranks = Layout == DeepSpeed ? Files.Select(name => Number(ModelStates().Match(name), "mp")).Distinct().Count() : Files.Count;
        if (ranks > 1)
        {
            throw new CheckpointException(
                $"{shown} holds the model cut over {ranks} model-parallel ranks, and those of {(Layout == DeepSpeed ? "DeepSpeed" : "Megatron-LM")} cannot be put together here. Give the file of one rank, such as {Files[0]}, or write the whole model with its own tools first.")
            { Path = shown };
        }
    }

    // By model-parallel rank, and then by the number of the data-parallel one.
    private static string[] InOrder(string[] names, Regex form) =>
        [.. names.Select(name => (name, match: form.Match(name))).Where(file => file.match.Success).OrderBy(file => Number(file.match, "mp")).ThenBy(file => Number(file.match, "dp")).Select(file => file.name)];

    private static int Number(Match match, string group) => match.Groups[group] is { Success: true } digits ? int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture) : 0;

    private static string Join(string folder, string name) => folder.Length == 0 ? name : $"{folder}/{name}";

    // Of stage 3 each data-parallel rank has a file, with its pieces of what is not trained.
    [GeneratedRegex(@"^(zero_pp_rank_(?<dp>[0-9]{1,6})_)?mp_rank_(?<mp>[0-9]{1,6})_model_states\.pt\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex ModelStates();

    [GeneratedRegex(@"^(bf16_|fp16_)?zero_pp_rank_(?<dp>[0-9]{1,6})_mp_rank_(?<mp>[0-9]{1,6})_optim_states\.pt\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex OptimizerStates();

    [GeneratedRegex(@"^mp_rank_[0-9]{1,6}(_[0-9]{1,6}){0,2}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex MegatronRank();
}
