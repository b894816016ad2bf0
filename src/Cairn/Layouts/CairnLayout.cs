using Cairn.Checkpoints;
using Cairn.Formats.Safetensors;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts;

/// <summary>A part that was read from a checkpoint. Its tensors read from the file until it is disposed.</summary>
internal sealed class LoadedPart : IDisposable
{
    private readonly IDisposable? _file;

    internal LoadedPart(StateMap state, IDisposable? file) => (State, _file) = (state, file);

    /// <summary>The part's state.</summary>
    public StateMap State { get; }

    /// <summary>Closes the file. The state's tensors cannot be read any more.</summary>
    public void Dispose() => _file?.Dispose();
}

/// <summary>
/// The layout <c>cairn</c>: one file per part and rank that saves something of it, safetensors when it has tensors and JSON when not; a second one for the tensors that training does not change (<see cref="FrozenSplit"/>).
/// </summary>
internal sealed class CairnLayout : ICheckpointLayout
{
    /// <summary>The layout.</summary>
    public static CairnLayout Instance { get; } = new();

    /// <summary>The file name, without extension, of a part that one process saves.</summary>
    /// <exception cref="ArgumentException">The name is not of 1 to 64 characters of <c>a-z</c>, <c>0-9</c> and <c>_</c>, or could be taken for another part's file.</exception>
    public static string StemOf(string part) => PartFileName.StemOf(part);

    /// <summary>The part that a file holds something of, or <see langword="null"/> when it holds none.</summary>
    public static string? PartOf(string fileName) => PartFileName.Parse(fileName)?.Part;

    /// <summary>Whether a file holds what training does not change of a part that has a second file for the rest.</summary>
    public static bool IsFrozen(string fileName) => PartFileName.IsFrozen(fileName);

    /// <summary>The files of a checkpoint by the part that they hold, in the order given; other files are left out.</summary>
    /// <exception cref="CorruptCheckpointException">Two files hold the same.</exception>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> FilesByPart(IEnumerable<string> fileNames)
    {
        var files = new OrderedDictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        var stems = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in fileNames)
        {
            if (PartOf(name) is not { } part)
                continue;
            if (!stems.TryAdd(System.IO.Path.GetFileNameWithoutExtension(name), name))
                throw CorruptPart.Because(name, $"part '{part}' has two files", "one", $"'{stems[System.IO.Path.GetFileNameWithoutExtension(name)]}' too");
            if (!files.TryGetValue(part, out IReadOnlyList<string>? list))
                files.Add(part, list = new List<string>());
            ((List<string>)list).Add(name);
        }
        return files;
    }

    /// <summary>Plans the files of these parts, in their order. No tensor is read.</summary>
    /// <exception cref="ArgumentException">A part's name is not allowed or stands twice, or its state cannot be saved.</exception>
    public static IReadOnlyList<PlannedFile> Plan(IReadOnlyList<(string Part, StateMap State)> parts)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var files = new PlannedFile[parts.Count];
        for (int i = 0; i < files.Length; i++)
        {
            (string part, StateMap state) = parts[i];
            if (!names.Add(part))
                throw new ArgumentException($"Two parts are named '{part}'.", nameof(parts));
            files[i] = PartEncoder.Encode(part, StemOf(part), state);
        }
        return files;
    }

    /// <summary>Plans the files that one rank of a job saves, in the order of the parts.</summary>
    /// <inheritdoc cref="ICheckpointLayout.Plan(long, IReadOnlyList{RankPart}, World, int)"/>
    public static IReadOnlyList<PlannedFile> Plan(IReadOnlyList<RankPart> parts, World world, int rank) => Plan(parts, world, rank, new PlanMemory());

    /// <summary>As <see cref="Plan(IReadOnlyList{RankPart}, World, int)"/>, with what is known of the plan before.</summary>
    public static IReadOnlyList<PlannedFile> Plan(IReadOnlyList<RankPart> parts, World world, int rank, PlanMemory before)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(world);
        return [.. parts.SelectMany(part => before.Encode(part, PartFileName.StemOf(part.Name, part.Scope, world, rank)))];
    }

    /// <summary>Which rank of the world that saved a checkpoint wrote each of its files, as far as their names say it: in the same world it is the one that wants most of it.</summary>
    internal static IReadOnlyDictionary<string, int> Writers(IEnumerable<string> fileNames, World world)
    {
        var writers = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach ((string part, PartScope scope) in fileNames.Select(PartFileName.Parse).OfType<PartFileName>().Select(name => (name.Part, name.Scope)).Distinct())
        {
            for (int rank = 0; rank < world.Size; rank++)
            {
                string stem = PartFileName.StemOf(part, scope, world, rank);
                _ = writers.TryAdd(stem + PartEncoder.SafetensorsExtension, rank) && writers.TryAdd(stem + PartEncoder.JsonExtension, rank);
                if (scope == PartScope.Shared && PartFileName.FrozenStemOf(part, stem) is { } frozen)
                    writers.TryAdd(frozen + PartEncoder.SafetensorsExtension, rank);
            }
        }
        return writers;
    }

    /// <summary>Reads a file of a part: all of it, or what one rank saved of it. JSON is read whole; tensors are read from the file when they are asked for.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The checkpoint's folder; empty for the root.</param>
    /// <param name="fileName">A file of this layout, or a plain safetensors file.</param>
    /// <exception cref="CorruptCheckpointException">The file is bad.</exception>
    /// <exception cref="IOException">The file could not be opened or read.</exception>
    public static LoadedPart Read(IFileSource files, string folder, string fileName)
    {
        string path = StorePath.Join(folder, fileName);
        switch (System.IO.Path.GetExtension(fileName))
        {
            case PartEncoder.JsonExtension:
                using (IReadableFile json = files.OpenRead(path))
                    return new LoadedPart(PartDecoder.DecodeJson(json, path), file: null);
            case PartEncoder.SafetensorsExtension:
                return ReadSafetensors(files, path, out _);
            default:
                throw new ArgumentException($"'{fileName}' is no file of this layout. Its files end in .json and .safetensors.", nameof(fileName));
        }
    }

    /// <summary>Reads a safetensors file under any name, and says whether Cairn wrote it.</summary>
    internal static LoadedPart ReadSafetensors(IFileSource files, string path, out bool isCairn)
    {
        SafetensorsFile file = SafetensorsFile.Open(files, path);
        try
        {
            isCairn = file.Metadata.ContainsKey(PartEncoder.VersionKey);
            return new LoadedPart(PartDecoder.Decode(file), file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    string ICheckpointLayout.Name => Marker.DefaultLayout;
    /// <inheritdoc/>
    /// <inheritdoc/>
    void ICheckpointLayout.CheckPart(string part) => StemOf(part);
    /// <inheritdoc/>
    void ICheckpointLayout.CheckWorld(World world) { }
    /// <inheritdoc/>
    IReadOnlyList<PlannedFile> ICheckpointLayout.Plan(long step, IReadOnlyList<(string Part, StateMap State)> parts) => Plan(parts);
    /// <inheritdoc/>
    IReadOnlyList<PlannedFile> ICheckpointLayout.Plan(long step, IReadOnlyList<RankPart> parts, World world, int rank) => Plan(parts, world, rank);
    /// <inheritdoc/>
    IReadOnlyList<PlannedFile> ICheckpointLayout.Plan(long step, IReadOnlyList<RankPart> parts, World world, int rank, PlanMemory before) => Plan(parts, world, rank, before);
    /// <inheritdoc/>
    void ICheckpointLayout.CheckReadable(IFileSource files, string folder, IReadOnlyList<string> fileNames)
    {
        // File by file: of a tensor that other ranks have shards of, this one's are not all.
        foreach (string name in fileNames)
            Read(files, folder, name).Dispose();
    }
    /// <inheritdoc/>
    LoadedCheckpoint ICheckpointLayout.Open(IFileSource files, string folder, IEnumerable<string> fileNames) => new LoadedCairn(files, folder, fileNames);
}
