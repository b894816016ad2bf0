using System.Buffers;
using System.Collections.Frozen;
using Cairn.Formats.Safetensors;
using Cairn.State;
using Cairn.Storage;

namespace Cairn.Layouts;

/// <summary>A part that was read from a checkpoint. Its tensors read from the file until it is disposed.</summary>
public sealed class LoadedPart : IDisposable
{
    private readonly IDisposable? _file;

    internal LoadedPart(StateMap state, IDisposable? file) => (State, _file) = (state, file);

    /// <summary>The part's state.</summary>
    public StateMap State { get; }

    /// <summary>Closes the file. The state's tensors cannot be read any more.</summary>
    public void Dispose() => _file?.Dispose();
}

/// <summary>
/// The layout <c>cairn</c> for a world of one rank: one file per part, safetensors when the part has tensors and JSON when not.
/// </summary>
public sealed class CairnLayout : ICheckpointLayout
{
    /// <summary>The layout.</summary>
    public static CairnLayout Instance { get; } = new();

    private const int MaxPartName = 64;
    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_");

    private static readonly FrozenDictionary<string, string> Stems = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["model"] = "model_tp0_pp0",
        ["optimizer"] = "optimizer_tp0_pp0_zo0",
        ["scheduler"] = "scheduler",
        ["sampler"] = "sampler_0",
        ["random"] = "random_0",
        ["context"] = "context",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> Parts = Stems.ToFrozenDictionary(s => s.Value, s => s.Key, StringComparer.Ordinal);

    // Names that Windows keeps for devices, whatever the extension.
    private static readonly FrozenSet<string> Devices = FrozenSet.Create(StringComparer.Ordinal,
        ["con", "prn", "aux", "nul", .. Enumerable.Range(0, 10).SelectMany(i => new[] { $"com{i}", $"lpt{i}" })]);

    /// <summary>The file name, without extension, of a part.</summary>
    /// <exception cref="ArgumentException">The name is not of 1 to 64 characters of <c>a-z</c>, <c>0-9</c> and <c>_</c>, or could be taken for another part's file.</exception>
    public static string StemOf(string part)
    {
        if (part.Length is 0 or > MaxPartName || part.AsSpan().ContainsAnyExcept(NameCharacters))
            throw new ArgumentException($"'{part}' cannot name a part. Use 1 to {MaxPartName} of a-z, 0-9 and _.", nameof(part));
        if (Stems.TryGetValue(part, out string? stem))
            return stem;
        if (Devices.Contains(part))
            throw new ArgumentException($"'{part}' cannot name a part: it is a device on Windows.", nameof(part));
        return IsRankStem(part) ? throw new ArgumentException($"'{part}' cannot name a part: it is the file of a rank of a part of Cairn.", nameof(part)) : part;
    }

    /// <summary>The part that a file holds, or <see langword="null"/> when it is no part of a world of one rank.</summary>
    public static string? PartOf(string fileName)
    {
        string extension = System.IO.Path.GetExtension(fileName);
        if (extension is not (PartEncoder.JsonExtension or PartEncoder.SafetensorsExtension))
            return null;
        string stem = fileName[..^extension.Length];
        if (Parts.TryGetValue(stem, out string? part))
            return part;
        bool valid = stem.Length is > 0 and <= MaxPartName && !stem.AsSpan().ContainsAnyExcept(NameCharacters);
        return valid && !Stems.ContainsKey(stem) && !IsRankStem(stem) && !Devices.Contains(stem) ? stem : null;
    }

    /// <summary>The files of a checkpoint by the part that each holds; other files are left out.</summary>
    /// <exception cref="CorruptCheckpointException">Two files hold the same part.</exception>
    public static IReadOnlyDictionary<string, string> FilesByPart(IEnumerable<string> fileNames)
    {
        var files = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in fileNames)
        {
            if (PartOf(name) is string part && !files.TryAdd(part, name))
                throw PartDecoder.Corrupt(name, $"part '{part}' has two files", "one", $"'{files[part]}' too");
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

    /// <summary>Reads a part. JSON is read whole; tensors are read from the file when they are asked for.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The checkpoint's folder; empty for the root.</param>
    /// <param name="fileName">A file of this layout, or a plain safetensors file.</param>
    /// <exception cref="CorruptCheckpointException">The file is bad.</exception>
    /// <exception cref="IOException">The file could not be opened or read.</exception>
    public static LoadedPart Read(IFileSystem files, string folder, string fileName)
    {
        string path = folder.Length == 0 ? fileName : $"{folder}/{fileName}";
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
    internal static LoadedPart ReadSafetensors(IFileSystem files, string path, out bool isCairn)
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
    string ICheckpointLayout.Name => "cairn";
    /// <inheritdoc/>
    string ICheckpointLayout.MarkerName(long step) => Commit.Marker.FileName(step);
    /// <inheritdoc/>
    void ICheckpointLayout.CheckPart(string part) => StemOf(part);
    /// <inheritdoc/>
    IReadOnlyList<PlannedFile> ICheckpointLayout.Plan(long step, IReadOnlyList<(string Part, StateMap State)> parts) => Plan(parts);
    /// <inheritdoc/>
    LoadedCheckpoint ICheckpointLayout.Open(IFileSystem files, string folder, IEnumerable<string> fileNames) => new Loaded(files, folder, FilesByPart(fileNames));

    // model_tp1_pp0, optimizer_tp0_pp0_zo3, sampler_7: a part of Cairn's own with the coordinates of a rank.
    private static bool IsRankStem(string stem)
    {
        int start = stem.IndexOf('_', StringComparison.Ordinal);
        if (start < 0 || !Stems.ContainsKey(stem[..start]))
            return false;
        foreach (string coordinate in stem[(start + 1)..].Split('_'))
        {
            ReadOnlySpan<char> number = coordinate.AsSpan().TrimStart("tpdzow");
            if (number.IsEmpty || number.ContainsAnyExceptInRange('0', '9'))
                return false;
        }
        return true;
    }

    private sealed class Loaded(IFileSystem store, string folder, IReadOnlyDictionary<string, string> fileOfPart) : LoadedCheckpoint
    {
        public override IReadOnlyList<string> Parts { get; } = [.. fileOfPart.Keys];
        public override IReadOnlyList<string> FilesOf(string part) => [fileOfPart[part]];
        public override StateMap Load(string part) => Keep(Read(store, folder, fileOfPart[part])).State;
    }
}
