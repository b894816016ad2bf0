using Cairn.State;

namespace Cairn.Layouts.PyTorch.ModelParallel;

/// <summary>
/// What several model-parallel ranks saved of one model. The model is put together where it is known how they shared it; else each rank's part of it can be looked at, and who asks for the whole hears why there is none.
/// </summary>
internal sealed class LoadedRanks : LoadedCheckpoint
{
    public const string Model = PartSplit.Model, Optimizer = "optimizer", Random = "random", Context = "context";

    private readonly IReadOnlyList<string> _files;
    private readonly OrderedDictionary<string, Part> _parts = new(StringComparer.Ordinal);
    private readonly List<string> _notes = [];

    private LoadedRanks(IReadOnlyList<string> files) => _files = files;

    /// <inheritdoc cref="PartSplit.StepIn"/>
    internal override long? StepInside => _parts.TryGetValue(Context, out Part? context) ? PartSplit.StepIn(new Dictionary<string, StateMap>(StringComparer.Ordinal) { [Context] = context.Ranks[0] }) : null;

    public override IReadOnlyList<string> Parts => [.. _parts.Keys];
    public override IReadOnlyList<string> Notes => _notes;
    public override IReadOnlyList<string> FilesOf(string part) => Find(part) is not null ? _files : [];
    public override IReadOnlyList<int> RanksOf(string part) => Find(part) is { Whole: null, Ranks.Count: var count } ? [.. Enumerable.Range(0, count)] : [];
    public override StateMap Load(string part, int rank) => Find(part) is { Whole: null } of && rank >= 0 && rank < of.Ranks.Count ? of.Ranks[rank] : base.Load(part, rank);

    public override StateMap Load(string part)
    {
        Part found = Find(part);
        return found.Whole ?? (found.Refusal is { } refusal ? throw new CheckpointException(refusal) { Path = Source?.FullPath } : found.Ranks[0]);
    }

    /// <summary>Puts together what was read.</summary>
    /// <param name="files">The files, within the folder.</param>
    /// <param name="opened">The files, open; they are closed with this.</param>
    /// <param name="read">Makes the parts.</param>
    public static LoadedRanks Of(IReadOnlyList<string> files, IReadOnlyList<LoadedTorchState> opened, Action<LoadedRanks> read)
    {
        var loaded = new LoadedRanks(files);
        foreach (LoadedTorchState file in opened)
            loaded.Keep(file);
        try
        {
            read(loaded);
            foreach (string note in opened.SelectMany(file => file.Notes).Distinct(StringComparer.Ordinal))
                loaded._notes.Add(note);
            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    /// <summary>A part that all ranks share.</summary>
    public void AddWhole(string part, StateMap whole) => _parts.Add(part, new Part(whole, [whole], null));

    /// <summary>A part that is whole when it can be put together, and each rank's own otherwise.</summary>
    /// <param name="part">Its name.</param>
    /// <param name="ranks">What each rank has.</param>
    /// <param name="join">Puts it together.</param>
    public void AddJoined(string part, IReadOnlyList<StateMap> ranks, Func<StateMap> join)
    {
        try
        {
            AddWhole(part, join());
        }
        catch (CheckpointException e) when (e is not CorruptCheckpointException)
        {
            AddApart(part, ranks, e.Message);
            Note(e.Message.TrimEnd('.'));
        }
    }

    /// <summary>A part that each rank has for itself.</summary>
    /// <param name="part">Its name.</param>
    /// <param name="ranks">What each rank has.</param>
    /// <param name="refusal">Why it is not one; <see langword="null"/> when the first rank's stands for all where one is asked for.</param>
    public void AddApart(string part, IReadOnlyList<StateMap> ranks, string? refusal) => _parts.Add(part, new Part(null, ranks, refusal));

    /// <summary>Says something to whoever reads it.</summary>
    public void Note(string note) => _notes.Add(note);

    private Part Find(string part) => _parts.TryGetValue(part, out Part? found) ? found : throw new KeyNotFoundException($"There is no part '{part}'. The parts are: {string.Join(", ", _parts.Keys)}.");

    private sealed record Part(StateMap? Whole, IReadOnlyList<StateMap> Ranks, string? Refusal);
}
