using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using Cairn.Checkpoints;
using Cairn.State;

namespace Cairn.Layouts;

/// <summary>
/// The name of a part's file in the layout <c>cairn</c>. Parts of Cairn's own carry the coordinates of the rank that wrote them, as in InternLM:
/// <c>model_tp0_pp0</c>, <c>optimizer_tp0_pp0_zo0</c>, <c>sampler_0</c> (data-parallel rank), <c>random_0</c> (rank); <c>_dp1</c> follows
/// where several ranks share these coordinates. Other parts have their own name, and from ranks other than the first a point and
/// the coordinates: <c>ema.tp1_pp0_dp0</c>, <c>noise.rank3</c>, <c>loader.dp1</c>. What training does not change has a file beside it: <c>model_frozen_tp0_pp0</c>, <c>student.frozen</c>, <c>student.frozen_tp1_pp0_dp0</c>.
/// </summary>
/// <param name="Part">The part.</param>
/// <param name="Scope">What the file holds of it.</param>
/// <param name="Index">The rank or data-parallel rank whose state it is; 0 for <see cref="PartScope.Shared"/>.</param>
internal readonly record struct PartFileName(string Part, PartScope Scope, int Index)
{
    private const int MaxPartName = 64;
    private const string Model = "model", Optimizer = "optimizer", Sampler = "sampler", Random = "random", Frozen = "frozen";
    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_");

    private static readonly FrozenDictionary<string, string> Stems = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        [Model] = "model_tp0_pp0",
        [Optimizer] = "optimizer_tp0_pp0_zo0",
        ["scheduler"] = "scheduler",
        [Sampler] = "sampler_0",
        [Random] = "random_0",
        ["context"] = "context",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    // Names that Windows keeps for devices, whatever the extension.
    private static readonly FrozenSet<string> Devices = FrozenSet.Create(StringComparer.Ordinal,
        ["con", "prn", "aux", "nul", .. Enumerable.Range(0, 10).SelectMany(i => new[] { $"com{i}", $"lpt{i}" })]);

    /// <summary>The file name, without extension, of a part that one process saves.</summary>
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

    /// <summary>The file name, without extension, of what one rank saves of a part.</summary>
    /// <inheritdoc cref="StemOf(string)" path="/exception"/>
    public static string StemOf(string part, PartScope scope, World world, int rank)
    {
        string first = StemOf(part);
        if (world.Size == 1)
            return first;
        RankCoordinates at = world.CoordinatesOf(rank);
        return (part, scope) switch
        {
            (Sampler, PartScope.PerDataRank) => $"{Sampler}_{at.Dp}",
            (Random, PartScope.PerRank) => $"{Random}_{rank}",
            (_, PartScope.PerDataRank) => $"{part}.dp{at.Dp}",
            (_, PartScope.PerRank) => $"{part}.rank{rank}",
            (Model, _) => $"{Model}_tp{at.Tp}_pp{at.Pp}{(at.Dp > 0 ? $"_dp{at.Dp}" : "")}",
            (Optimizer, _) => $"{Optimizer}_tp{at.Tp}_pp{at.Pp}_zo{at.Zo}{(at.Dp >= world.Zo ? $"_dp{at.Dp}" : "")}",
            // What all ranks share must not look like one rank's own.
            _ => rank == 0 && part is not (Sampler or Random) ? first : $"{part}.tp{at.Tp}_pp{at.Pp}_dp{at.Dp}",
        };
    }

    /// <summary>The file name, without extension, of what training does not change of a part that ranks share; <see langword="null"/> for the parts of Cairn's own that change with each step.</summary>
    /// <param name="part">The part.</param>
    /// <param name="stem">The name of its other file, without extension.</param>
    public static string? FrozenStemOf(string part, string stem) =>
        part == Model ? $"{Model}_{Frozen}{stem[Model.Length..]}"
        : Stems.ContainsKey(part) ? null
        : stem == part ? $"{part}.{Frozen}" : $"{part}.{Frozen}_{stem[(part.Length + 1)..]}";

    /// <summary>Whether a file holds what training does not change of a part.</summary>
    public static bool IsFrozen(string fileName) =>
        Parse(fileName) is { Scope: PartScope.Shared, Part: { } part } && fileName.Length > part.Length && fileName[(part.Length + 1)..].StartsWith(Frozen, StringComparison.Ordinal);

    /// <summary>What a file is; <see langword="null"/> when it holds no part.</summary>
    public static PartFileName? Parse(string fileName)
    {
        string extension = Path.GetExtension(fileName);
        if (extension is not (PartEncoder.JsonExtension or PartEncoder.SafetensorsExtension))
            return null;
        string stem = fileName[..^extension.Length];
        int point = stem.IndexOf('.', StringComparison.Ordinal);
        if (point >= 0)
            return Named(stem[..point], stem[(point + 1)..]);
        if (IsRankStem(stem))
        {
            string part = stem[..stem.IndexOf('_', StringComparison.Ordinal)];
            string coordinates = stem[(part.Length + 1)..];
            return part switch
            {
                Model => IsModel(Unfrozen(coordinates)) ? new(part, PartScope.Shared, 0) : null,
                Optimizer => IsCoordinates(coordinates, "tp", "pp", "zo") || IsCoordinates(coordinates, "tp", "pp", "zo", "dp") ? new(part, PartScope.Shared, 0) : null,
                Sampler => Number(coordinates) is { } dp ? new(part, PartScope.PerDataRank, dp) : null,
                Random => Number(coordinates) is { } rank ? new(part, PartScope.PerRank, rank) : null,
                _ => null,
            };
        }
        if (Stems.TryGetValue(stem, out string? own))
            return own == stem ? new(stem, PartScope.Shared, 0) : null;
        return IsName(stem) ? new(stem, PartScope.Shared, 0) : null;
    }

    private static PartFileName? Named(string part, string coordinates)
    {
        if (!IsName(part) || IsRankStem(part))
            return null;
        if (coordinates == Frozen || IsCoordinates(Unfrozen(coordinates), "tp", "pp", "dp"))
            return new(part, PartScope.Shared, 0);
        return coordinates.StartsWith("rank", StringComparison.Ordinal) && Number(coordinates[4..]) is { } rank ? new(part, PartScope.PerRank, rank)
            : coordinates.StartsWith("dp", StringComparison.Ordinal) && Number(coordinates[2..]) is { } dp ? new(part, PartScope.PerDataRank, dp)
            : null;
    }

    private static bool IsName(string stem) =>
        stem.Length is > 0 and <= MaxPartName && !stem.AsSpan().ContainsAnyExcept(NameCharacters) && !Devices.Contains(stem);

    // model_tp1_pp0, optimizer_tp0_pp0_zo3, sampler_7: a part of Cairn's own with the coordinates of a rank.
    private static bool IsRankStem(string stem)
    {
        int start = stem.IndexOf('_', StringComparison.Ordinal);
        if (start < 0 || !Stems.ContainsKey(stem[..start]))
            return false;
        string coordinates = stem[(start + 1)..];
        foreach (string coordinate in (stem[..start] == Model ? Unfrozen(coordinates) : coordinates).Split('_'))
        {
            ReadOnlySpan<char> number = coordinate.AsSpan().TrimStart("tpdzow");
            if (number.IsEmpty || number.ContainsAnyExceptInRange('0', '9'))
                return false;
        }
        return true;
    }

    private static bool IsModel(string coordinates) => IsCoordinates(coordinates, "tp", "pp") || IsCoordinates(coordinates, "tp", "pp", "dp");

    private static string Unfrozen(string coordinates) => coordinates.StartsWith(Frozen + "_", StringComparison.Ordinal) ? coordinates[(Frozen.Length + 1)..] : coordinates;

    private static bool IsCoordinates(string text, params ReadOnlySpan<string> names)
    {
        string[] parts = text.Split('_');
        if (parts.Length != names.Length)
            return false;
        for (int i = 0; i < parts.Length; i++)
        {
            if (!parts[i].StartsWith(names[i], StringComparison.Ordinal) || Number(parts[i][names[i].Length..]) is null)
                return false;
        }
        return true;
    }

    // One way to write a number, so that no two files are the same rank's.
    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number.ToString(CultureInfo.InvariantCulture) == text ? number : null;
}
