using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Cairn.Layouts.PyTorch.ModelParallel;
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
/// <param name="Experts">The files of the experts of DeepSpeed's mixture of experts, by layer and expert.</param>
internal sealed partial record RankFolder(string Layout, string Path, IReadOnlyList<string> Files, IReadOnlyList<string> Optimizers, IReadOnlyList<string> Experts)
{
    public const string DeepSpeed = "deepspeed", Megatron = "megatron";

    private const string DeepSpeedLatest = "latest", UniversalLatest = "latest_universal", MegatronLatest = "latest_checkpointed_iteration.txt";
    private const int LargestName = 4096;
    private static readonly string[] MegatronFiles = ["model_optim_rng.pt", "model_rng.pt"];

    /// <summary>What the names in a folder say; <see langword="null"/> when it is neither.</summary>
    public static RankFolder? Find(IFileSource files, string path)
    {
        FileSystemEntry[] entries = [.. files.List(path)];
        string[] names = [.. entries.Where(entry => !entry.IsFolder).Select(entry => entry.Name).Order(StringComparer.Ordinal)];
        string[] states = InOrder(names, ModelStates());
        bool isUniversal = entries.Any(entry => entry.IsFolder && entry.Name == LoadedUniversal.Folder) && LoadedUniversal.IsIn(files, path);
        if (states.Length > 0 || isUniversal)
            return new RankFolder(DeepSpeed, path, states, InOrder(names, OptimizerStates()), InOrder(names, ExpertStates())) { IsUniversal = isUniversal };
        string[] ranks =
        [
            .. entries.Where(entry => entry.IsFolder && MegatronRank().IsMatch(entry.Name)).Select(entry => entry.Name).Order(StringComparer.Ordinal)
                .SelectMany(folder => MegatronFiles.Where(file => files.FileExists(StorePath.Join(path, $"{folder}/{file}"))).Take(1).Select(file => $"{folder}/{file}")),
        ];
        return ranks.Length > 0 ? new RankFolder(Megatron, path, ranks, [], []) : null;
    }

    /// <summary>Why the step is not whole, as far as the names and the first file of the optimizer tell; <see langword="null"/> when it seems to be.</summary>
    public string? FaultIn(IFileSource files)
    {
        if (IsUniversal)
            return LoadedUniversal.MissingIn(files, Path) is { } parameter ? $"the weights of '{parameter}' are missing: the conversion did not end" : null;
        if (Layout == Megatron)
            return RankGrid.OfMegatron(Files, isExpert: false).Missing is { } place ? $"the file of tensor-parallel rank {place.Tensor}, stage {place.Pipeline} is missing: the save did not end" : null;
        for (int model = 0; model < ModelRanks; model++)
        {
            if (!Files.Any(name => ModelRankOf(name) == model))
                return $"the file of model-parallel rank {model} is missing: the save did not end";
            if (MissingOf(model) is { } missing)
                return $"the optimizer's file of rank {missing} is missing: the save did not end";
        }
        if (MissingExpert is { } expert)
            return $"{expert} is missing: the save did not end";
        return Optimizers.Count > 0 && LoadedTorchState.PartitionsIn(files, StorePath.Join(Path, Optimizers[0])) is { } count ? ZeroStates.FaultOf(count, Optimizers.Count(name => ModelRankOf(name) == ModelRankOf(Optimizers[0]))) : null;
    }

    /// <summary>Whether it is a universal checkpoint of DeepSpeed: a folder for each parameter.</summary>
    public bool IsUniversal { get; private init; }

    /// <summary>How many model-parallel ranks there are by the highest number of DeepSpeed's files.</summary>
    public int ModelRanks => Files.Select(ModelRankOf).DefaultIfEmpty(-1).Max() + 1;

    /// <summary>The model-parallel rank of a file of DeepSpeed.</summary>
    public static int ModelRankOf(string name) => Number(ModelRank().Match(name), "mp");

    // The first data-parallel rank whose file of the optimizer is not there while that of a later one is.
    private int? MissingOf(int model)
    {
        int[] numbers = [.. Optimizers.Select(name => OptimizerStates().Match(name)).Where(match => Number(match, "mp") == model).Select(match => Number(match, "dp"))];
        for (int rank = 0; rank < numbers.Length; rank++)
        {
            if (numbers[rank] != rank)
                return rank;
        }
        return null;
    }

    // The first file of an expert that is not there while that of a later one, or of another rank, is.
    private string? MissingExpert
    {
        get
        {
            HashSet<string> there = [.. Experts];
            foreach (IGrouping<int, Match> layer in Experts.Select(name => ExpertStates().Match(name)).GroupBy(match => match.Groups["layer"].Success ? Number(match, "layer") : -1))
            {
                int most = layer.Max(match => Number(match, "dp"));
                // So many files at most are asked for as are there, and one.
                foreach ((int expert, int model) in Enumerable.Range(0, most + 1).SelectMany(expert => Enumerable.Range(0, Math.Max(1, ModelRanks)).Select(model => (expert, model))))
                {
                    string name = string.Create(CultureInfo.InvariantCulture, $"{(layer.Key < 0 ? "" : $"layer_{layer.Key}_")}expert_{expert}_mp_rank_{model:00}_model_states.pt");
                    if (!there.Contains(name))
                        return name;
                }
            }
            return null;
        }
    }

    /// <summary>The newest step in the folder of a job, as its file <c>latest</c> says; <see langword="null"/> when there is none.</summary>
    public static RankFolder? Newest(IFileSource files, string path) => LatestIn(files, path).Select(folder => Find(files, folder)).FirstOrDefault(newest => newest is not null);

    /// <summary>The folders in the folder of a job that its files <c>latest</c> name, and that are there.</summary>
    public static IEnumerable<string> LatestIn(IFileSource files, string path)
    {
        foreach (string name in (string[])[DeepSpeedLatest, UniversalLatest, MegatronLatest])
        {
            if (!files.FileExists(StorePath.Join(path, name)))
                continue;
            string said = Encoding.UTF8.GetString(SmallFile.Read(files, StorePath.Join(path, name), LargestName)).Trim();
            string folder = name == MegatronLatest && long.TryParse(said, NumberStyles.None, CultureInfo.InvariantCulture, out long iteration)
                ? string.Create(CultureInfo.InvariantCulture, $"iter_{iteration:0000000}") : said;
            if (StorePath.IsName(folder) && files.FolderExists(StorePath.Join(path, folder)))
                yield return StorePath.Join(path, folder);
        }
    }

    /// <summary>Opens the state, put together of what the ranks have of it.</summary>
    /// <exception cref="CorruptCheckpointException">Files are missing, or contradict each other.</exception>
    public LoadedCheckpoint Open(IFileSource files)
    {
        if (IsUniversal)
            return LoadedUniversal.Open(files, this);
        if (Layout == Megatron && (Files.Count > 1 || RankGrid.OfMegatron(Files, isExpert: false).Missing is not null))
            return MegatronRanks.Open(files, Path, Files);
        if (Optimizers.Select(ModelRankOf).Distinct().Select(MissingOf).FirstOrDefault(rank => rank is not null) is { } missing)
            throw new CorruptCheckpointException($"The optimizer's file of rank {missing} is missing in {Path}, and those of later ranks are there: {Optimizers[^1]}. The save was not ended, or files were lost: take another checkpoint.") { Path = Path };
        if (MissingExpert is { } expert)
            throw new CorruptCheckpointException($"{expert} is missing in {Path}, and files of other experts are there. The save was not ended, or files were lost: take another checkpoint.") { Path = Path };
        if (Layout == DeepSpeed && (ModelRanks > 1 || Experts.Count > 0))
            return DeepSpeedRanks.Open(files, this);
        return Optimizers.Count == 0 ? LoadedTorchState.OpenFile(files, StorePath.Join(Path, Files[0]), Files[0], []) : LoadedTorchState.OpenZero(files, Path, Files, Optimizers);
    }

    // By model-parallel rank, and then by the number of the data-parallel one.
    private static string[] InOrder(string[] names, Regex form) =>
        [.. names.Select(name => (name, match: form.Match(name))).Where(file => file.match.Success).OrderBy(file => Number(file.match, "mp")).ThenBy(file => Number(file.match, "dp")).Select(file => file.name)];

    private static int Number(Match match, string group) => match.Groups[group] is { Success: true } digits ? int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"mp_rank_(?<mp>[0-9]{1,6})_", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex ModelRank();

    // The first versions had one such layer, and no number of it.
    [GeneratedRegex(@"^(layer_(?<layer>[0-9]{1,6})_)?expert_(?<dp>[0-9]{1,6})_mp_rank_(?<mp>[0-9]{1,6})_model_states\.pt\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex ExpertStates();

    // Of stage 3 each data-parallel rank has a file, with its pieces of what is not trained.
    [GeneratedRegex(@"^(zero_pp_rank_(?<dp>[0-9]{1,6})_)?mp_rank_(?<mp>[0-9]{1,6})_model_states\.pt\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex ModelStates();

    [GeneratedRegex(@"^(bf16_|fp16_)?zero_pp_rank_(?<dp>[0-9]{1,6})_mp_rank_(?<mp>[0-9]{1,6})_optim_states\.pt\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex OptimizerStates();

    [GeneratedRegex(@"^mp_rank_[0-9]{1,6}(_[0-9]{1,6}){0,2}\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex MegatronRank();
}
