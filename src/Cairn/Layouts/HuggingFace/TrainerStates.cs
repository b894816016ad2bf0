using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cairn.Layouts.PyTorch;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.HuggingFace;

/// <summary>
/// What stands beside the weights in a checkpoint of <see href="https://huggingface.co/docs/transformers/main_classes/trainer">transformers' Trainer</see> or of
/// <see href="https://huggingface.co/docs/accelerate/usage_guides/checkpoint">accelerate</see>: a file of PyTorch for each other part, opened when it is asked for.
/// </summary>
internal sealed partial class TrainerStates
{
    public const string StateName = "trainer_state.json";

    private const int LargestState = 256 << 20, LargestWhole = 1 << 20, LongestEnd = 256;
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 1000 };
    private const string Random = "random", RandomAlone = "random_alone";
    // A rank that stands for all.
    private const int AllRanks = -1;

    private readonly IFileSource _files;
    private readonly string _folder;
    private readonly List<string> _hidden = [];
    private readonly OrderedDictionary<string, SortedList<int, string>> _namesOfPart = new(StringComparer.Ordinal);

    public TrainerStates(IFileSource files, string folder, IEnumerable<string> names)
    {
        (_files, _folder) = (files, folder);
        foreach ((string part, int rank, string name) in names.Select(name => (Of: PartOf(name), Name: name)).Where(file => file.Of is not null)
            .Select(file => (file.Of!.Value.Part, file.Of.Value.Rank, file.Name)).OrderBy(file => Order(file.Part)).ThenBy(file => file.Part, StringComparer.Ordinal).ThenBy(file => file.Name, StringComparer.Ordinal))
        {
            if (!_namesOfPart.TryGetValue(part, out SortedList<int, string>? ofRanks))
                _namesOfPart.Add(part, ofRanks = []);
            // Of optimizer.bin and optimizer.pt the Trainer reads the latter.
            if (ofRanks.TryGetValue(rank, out string? other))
                _hidden.Add(other);
            ofRanks[rank] = name;
        }
        // A job of one process leaves rng_state.pth, one of several a file of each rank: of both, neither hides the other.
        if (_namesOfPart.TryGetValue(Random, out SortedList<int, string>? random) && random.Count > 1 && random.TryGetValue(AllRanks, out string? alone))
        {
            random.Remove(AllRanks);
            _namesOfPart.Add(RandomAlone, new SortedList<int, string> { [AllRanks] = alone });
        }
    }

    /// <summary>Files whose part another file has, so that they are not read.</summary>
    public IReadOnlyList<string> Hidden => _hidden;

    /// <summary>The parts.</summary>
    public IReadOnlyList<string> Parts => [.. _namesOfPart.Keys];

    /// <summary>The files of a part; <see langword="null"/> when there is no such part.</summary>
    public IReadOnlyList<string>? FilesOf(string part) => _namesOfPart.TryGetValue(part, out SortedList<int, string>? names) ? [.. names.Values] : null;

    /// <summary>The ranks that have a state of their own.</summary>
    public IReadOnlyList<int> RanksOf(string part) => _namesOfPart.TryGetValue(part, out SortedList<int, string>? names) && names.Keys.All(rank => rank >= 0) ? [.. names.Keys] : [];

    /// <summary>Opens the file of a part, of its first rank when none is said; <see langword="null"/> when there is none.</summary>
    public LoadedTorchState? Open(string part, int? rank = null)
    {
        if (!_namesOfPart.TryGetValue(part, out SortedList<int, string>? names))
            return null;
        string? name = rank is { } one ? names.GetValueOrDefault(one) : names.Values[0];
        return name is null ? null : LoadedTorchState.OpenFile(_files, Join(name));
    }

    /// <summary>The state that a file holds, as a part.</summary>
    public static StateMap StateOf(LoadedTorchState opened) => opened.Root as StateMap ?? new StateMap { ["data"] = opened.Root };

    /// <summary>The step that <c>trainer_state.json</c> says; <see langword="null"/> where there is none.</summary>
    /// <exception cref="CorruptCheckpointException">It is cut off, or no JSON.</exception>
    public long? ReadStep()
    {
        string path = Join(StateName);
        if (!_files.FileExists(path))
            return null;
        try
        {
            using JsonDocument state = JsonDocument.Parse(PythonJson.Plain(SmallFile.Read(_files, path, LargestState)), Deep);
            return state.RootElement.ValueKind == JsonValueKind.Object && state.RootElement.TryGetProperty("global_step", out JsonElement step)
                && step.ValueKind == JsonValueKind.Number && step.TryGetInt64(out long number) && number >= 0 ? number : null;
        }
        catch (JsonException e)
        {
            throw new CorruptCheckpointException($"'{path}' is not JSON, as if it were cut off: {e.Message}", e) { Path = path };
        }
    }

    /// <summary>Looks whether <c>trainer_state.json</c> came to its end. Of a long one, which has a line for each logged step, only the end is read.</summary>
    /// <exception cref="CorruptCheckpointException">It is cut off, or no JSON.</exception>
    public void CheckEnd()
    {
        string path = Join(StateName);
        if (!_files.FileExists(path))
            return;
        using (IReadableFile file = _files.OpenRead(path))
        {
            byte[] end = new byte[Math.Min(LongestEnd, file.Length)];
            if (file.Length > LargestWhole && file.Read(file.Length - end.Length, end) == end.Length)
            {
                // Python indents all but the last brace.
                ReadOnlySpan<byte> text = end.AsSpan().TrimEnd(" \t\r\n"u8);
                if (text is [.., (byte)'\n', (byte)'}'])
                    return;
                if (text is not [.., (byte)'}'] || text.Contains((byte)'\n'))
                    throw new CorruptCheckpointException($"'{path}' is not JSON, as if it were cut off: it does not end with the brace that closes it") { Path = path };
            }
        }
        ReadStep();
    }

    private string Join(string name) => StorePath.Join(_folder, name);

    private static (string Part, int Rank)? PartOf(string name)
    {
        Match match = Form().Match(name);
        if (!match.Success)
            return null;
        int number = int.TryParse(match.Groups["number"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int found) ? found : AllRanks;
        if (match.Groups["random"].Success)
            return (Random, number);
        string part = match.Groups["part"].Value;
        // Further optimizers of accelerate are parts of their own.
        return (number > 0 ? $"{part}_{number.ToString(CultureInfo.InvariantCulture)}" : part, AllRanks);
    }

    private static int Order(string part) => part.Split('_')[0] switch { "optimizer" => 0, "scheduler" => 1, "scaler" => 2, "sampler" => 3, _ => 4 };

    [GeneratedRegex(@"^((?<part>optimizer|scheduler|scaler)(_(?<number>[0-9]{1,6}))?\.(pt|bin)|(?<part>sampler)(_(?<number>[0-9]{1,6}))?\.bin|(?<random>rng_state)(_(?<number>[0-9]{1,6}))?\.pth|(?<random>random_states)_(?<number>[0-9]{1,6})\.pkl)\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex Form();
}
