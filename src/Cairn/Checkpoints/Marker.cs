using System.Collections.Frozen;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Cairn.Policies;
using Cairn.State;

namespace Cairn.Checkpoints;

/// <summary>A file that a marker vouches for.</summary>
/// <param name="Name">Name in the checkpoint's folder.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Hashes">The hashes of its bytes.</param>
internal sealed record MarkedFile(string Name, long Length, ChunkHashes Hashes)
{
    /// <summary>Writes it as an object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("name", Name);
        json.WriteNumber("size", Length);
        Hashes.Write(json);
        json.WriteEndObject();
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="FormatException">It is no file of a checkpoint; among others, its name leads out of the folder.</exception>
    public static MarkedFile Read(JsonElement json)
    {
        string name = json.GetProperty("name").GetString() ?? "";
        long length = json.GetProperty("size").GetInt64();
        return Marker.IsName(name) && length >= 0
            ? new MarkedFile(name, length, ChunkHashes.Read(json, length))
            : throw new FormatException($"'{name}' of {length} bytes is no file of a checkpoint");
    }
}

/// <summary>A file that a checkpoint had, and lost to save space.</summary>
/// <param name="Part">The part that it was of.</param>
/// <param name="Name">Its name in the checkpoint's folder.</param>
/// <param name="Length">The bytes that it had.</param>
internal sealed record DroppedFile(string Part, string Name, long Length)
{
    /// <summary>Writes it as an object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("part", Part);
        json.WriteString("name", Name);
        json.WriteNumber("size", Length);
        json.WriteEndObject();
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="FormatException">Its name leads out of the folder.</exception>
    public static DroppedFile Read(JsonElement json)
    {
        string name = json.GetProperty("name").GetString() ?? "";
        return Marker.IsName(name) ? new DroppedFile(json.GetProperty("part").GetString() ?? "", name, json.GetProperty("size").GetInt64()) : throw new FormatException($"'{name}' is no file of a checkpoint");
    }
}

/// <summary>
/// The file that makes a folder a checkpoint, named by its layout: written last, it lists every other file with size and hash, and carries a
/// hash of itself. Fields that this version does not know are ignored on reading.
/// </summary>
internal sealed record Marker
{
    /// <summary>The layout of a copy that names none, and of a run for which none was chosen.</summary>
    public const string DefaultLayout = "cairn";
    /// <summary>The newest format, which is written. The first had one hash for each file, whatever its length.</summary>
    public const int Format = 2;

    /// <summary>The folder in which the copy's files stand.</summary>
    /// <param name="folder">The copy's folder.</param>
    public string FilesFolder(string folder) => Attempt is { } attempt ? $"{folder}/{attempt}" : folder;

    /// <summary>Longest marker that is written and read, in bytes: it grows with files and ranks, not with tensors.</summary>
    public const int MaxLength = 32 << 20;

    /// <summary>How the name of an <see cref="Attempt"/> begins.</summary>
    internal const char AttemptStart = '~';

    // The marker's own hash is its last property: it covers every byte before it.
    private const string SealStart = ",\n  \"xxh3_128\": \"";
    private const string SealEnd = "\"\n}\n";
    private const int HashDigits = 32;

    /// <summary>The step that the state belongs to.</summary>
    public required long Step { get; init; }
    /// <summary>The tier.</summary>
    public required SaveKind Kind { get; init; }
    /// <summary>Why it was saved.</summary>
    public required SaveReason Reason { get; init; }
    /// <summary>The run's id.</summary>
    public required string Run { get; init; }
    /// <summary>The run's history when it was written; the current branch is the one that wrote it.</summary>
    public required Lineage Lineage { get; init; }
    /// <summary>The step this process resumed from; <see langword="null"/> when it began at step 0.</summary>
    public long? Parent { get; init; }
    /// <summary>Which acquisition of the run's lock wrote it, counted from 1; <see langword="null"/> when it was written without one.</summary>
    public long? Fence { get; init; }
    /// <summary>The token of that acquisition, as it stood in <c>.lock</c>.</summary>
    public string? Token { get; init; }
    /// <summary>
    /// The folder within the copy's own in which its files stand, where the store has no renames (see docs/commit.md); <see langword="null"/> when they stand beside the marker.
    /// </summary>
    public string? Attempt { get; init; }
    /// <summary>When the state was captured.</summary>
    public required DateTimeOffset Time { get; init; }
    /// <summary>The world that saved it.</summary>
    public World World { get; init; } = World.Single;
    /// <summary>The counters of the run at this step: small values, no tensors.</summary>
    public required StateMap Train { get; init; }
    /// <summary>The best checkpoint of the line when this was written, which may be this one; <see langword="null"/> when there was none, or nobody asked for it.</summary>
    public BestCheckpoint? Best { get; init; }
    /// <summary>The layout of the files. Markers of before there were several layouts do not say it: <c>cairn</c>.</summary>
    public string Layout { get; init; } = DefaultLayout;
    /// <summary>
    /// Whether another program wrote the copy: there is no marker of Cairn, and what stands here was derived from the files. It then belongs to
    /// the run in whose folder it stands, on its first branch; its files have no hashes.
    /// </summary>
    public bool IsDerived { get; init; }
    /// <summary>What it had besides, and lost to save space: nothing of it may be relied on. Such a checkpoint is never resumed from but by name, for the parts that it has.</summary>
    public IReadOnlyList<DroppedFile> Dropped { get; init; } = [];
    /// <summary>Whether it has lost what only a restart needs.</summary>
    public bool IsWeightsOnly => Dropped.Count > 0;
    /// <summary>The parts that it lost, in words.</summary>
    public string DroppedParts => string.Join(", ", Dropped.Select(file => file.Part).Distinct(StringComparer.Ordinal));
    /// <summary>Every other file of the folder.</summary>
    public required IReadOnlyList<MarkedFile> Files { get; init; }

    /// <summary>Bytes of all these files.</summary>
    public long Bytes => Files.Sum(file => file.Length);

    /// <summary>The name of a step's marker.</summary>
    public static string FileName(long step) => step.ToString(CultureInfo.InvariantCulture) + ".step";

    /// <summary>The hash of these bytes as it stands in a marker.</summary>
    public static string HashOf(ReadOnlySpan<byte> bytes) => ChunkHashes.Text(XxHash128.HashToUInt128(bytes));

    /// <summary>The marker's bytes.</summary>
    /// <exception cref="CheckpointException">No reader would take it: the counters hold a tensor, or it is too long.</exception>
    public byte[] ToBytes()
    {
        (byte[] train, IReadOnlyList<KeyValuePair<string, StateTensor>> tensors) = ValuesWriter.Write(Train, indented: false);
        if (tensors.Count > 0)
            throw Unreadable($"its counters hold a tensor, '{tensors[0].Key}', and a marker has no place for one");
        byte[] unsealed = JsonBytes.Write(JsonBytes.Indented, json => Write(json, train));
        ReadOnlySpan<byte> body = unsealed.AsSpan()[..^"\n}".Length];
        int length = body.Length + SealStart.Length + HashDigits + SealEnd.Length;
        if (length > MaxLength)
            throw Unreadable($"it would take {length} bytes, and readers accept {MaxLength}. Shorten the names of metrics and skip reasons, or save with fewer files");
        return [.. body, .. Encoding.ASCII.GetBytes(SealStart + HashOf(body) + SealEnd)];
    }

    private void Write(Utf8JsonWriter json, byte[] train)
    {
        json.WriteStartObject();
        json.WriteNumber("format", Format);
        json.WriteNumber("step", Step);
        json.WriteString("kind", NameOf(Kind));
        json.WriteString("reason", NameOf(Reason));
        json.WriteString("layout", Layout);
        json.WriteString("run", Run);
        LineageJson.Write(json, Lineage);
        if (Parent is { } parent)
            json.WriteNumber("parent", parent);
        if (Fence is { } fence)
            json.WriteNumber("fence", fence);
        if (Token is { } token)
            json.WriteString("token", token);
        if (Attempt is { } attempt)
            json.WriteString("attempt", attempt);
        json.WriteString("time", Time);
        json.WriteStartObject("world");
        json.WriteNumber("tp", World.Tp);
        json.WriteNumber("pp", World.Pp);
        json.WriteNumber("dp", World.Dp);
        json.WriteNumber("zo", World.Zo);
        json.WriteEndObject();
        if (Best is { } best)
        {
            json.WriteStartObject("best");
            BestJson.Write(json, best);
            json.WriteEndObject();
        }
        json.WritePropertyName("train");
        json.WriteRawValue(train);
        if (IsWeightsOnly)
        {
            json.WriteBoolean("weights_only", true);
            json.WriteStartArray("dropped");
            foreach (DroppedFile file in Dropped)
                file.Write(json);
            json.WriteEndArray();
        }
        json.WriteStartArray("files");
        foreach (MarkedFile file in Files)
            file.Write(json);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Reads a marker.</summary>
    /// <exception cref="CorruptCheckpointException">It is cut, altered, or of a newer format.</exception>
    public static Marker Parse(ReadOnlyMemory<byte> bytes, string path)
    {
        if (bytes.Length == 0)
            throw Bad(path, "is empty");
        int bodyLength = bytes.Length - (SealStart.Length + HashDigits + SealEnd.Length);
        if (bodyLength < 0)
            throw Bad(path, "is cut short");
        ReadOnlySpan<byte> body = bytes.Span[..bodyLength];
        if (!bytes.Span[bodyLength..].SequenceEqual(Encoding.ASCII.GetBytes(SealStart + HashOf(body) + SealEnd)))
            throw Bad(path, "does not have the hash that it ends with: it was cut or altered");
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = ValuesWriter.MaxDepth });
            return Read(document.RootElement, path);
        }
        catch (Exception e) when (RunFolder.IsMalformed(e))
        {
            throw Bad(path, $"is not a marker ({e.Message})", e);
        }
    }

    private static Marker Read(JsonElement json, string path)
    {
        int format = json.GetProperty("format").GetInt32();
        if (format is < 1 or > Format)
            throw Bad(path, $"has format {format}, and this version of Cairn reads up to {Format}: use a newer one");
        return new Marker
        {
            Step = json.GetProperty("step").GetInt64(),
            Kind = Named<SaveKind>(json, "kind"),
            Reason = Named<SaveReason>(json, "reason"),
            Layout = json.TryGetProperty("layout", out JsonElement layout) ? layout.GetString() ?? "" : DefaultLayout,
            Run = Text(json, "run"),
            Lineage = LineageJson.Read(json),
            Parent = json.TryGetProperty("parent", out JsonElement parent) ? parent.GetInt64() : null,
            Fence = json.TryGetProperty("fence", out JsonElement fence) ? fence.GetInt64() : null,
            Token = json.TryGetProperty("token", out JsonElement token) ? token.GetString() : null,
            Attempt = json.TryGetProperty("attempt", out JsonElement attempt) ? AttemptName(attempt.GetString()) : null,
            Time = json.GetProperty("time").GetDateTimeOffset(),
            World = json.TryGetProperty("world", out JsonElement world) ? ReadWorld(world) : World.Single,
            Best = json.TryGetProperty("best", out JsonElement best) ? BestJson.Read(best) : null,
            Train = ValuesReader.Read(Encoding.UTF8.GetBytes(json.GetProperty("train").GetRawText()), path, FrozenDictionary<string, StateTensor>.Empty),
            Dropped = json.TryGetProperty("dropped", out JsonElement dropped) ? [.. dropped.EnumerateArray().Select(DroppedFile.Read)] : [],
            Files = [.. json.GetProperty("files").EnumerateArray().Select(MarkedFile.Read)],
        };
    }

    private static World ReadWorld(JsonElement json)
    {
        var world = new World(json.GetProperty("tp").GetInt32(), json.GetProperty("pp").GetInt32(), json.GetProperty("dp").GetInt32(), json.GetProperty("zo").GetInt32());
        return world is { Tp: > 0, Pp: > 0, Dp: > 0, Zo: > 0 } ? world : throw new FormatException($"{world} has a size below 1");
    }

    private static string AttemptName(string? name) =>
        name is [AttemptStart, _, ..] && IsName(name) ? name : throw new FormatException($"'{name}' is no folder of an attempt");

    // A name is a name in this folder: a marker must not make anybody read elsewhere.
    internal static bool IsName(string name) => name.Length > 0 && name.AsSpan().IndexOfAny('/', '\\', '\0') < 0 && name is not ("." or "..");

    // The file has the words of the documentation, in lower case.
    private static string NameOf<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static T Named<T>(JsonElement json, string property) where T : struct, Enum
    {
        string text = Text(json, property);
        return Enum.TryParse(text, ignoreCase: true, out T value) && Enum.IsDefined(value) && NameOf(value) == text ? value : throw new FormatException($"'{text}' is no {property}");
    }

    private static string Text(JsonElement json, string name) =>
        json.GetProperty(name).GetString() ?? throw new FormatException($"'{name}' is null");

    private CheckpointException Unreadable(string why) => new($"The marker of step {Step} cannot be written: {why}.") { Step = Step };

    private static CorruptCheckpointException Bad(string path, string what, Exception? cause = null) =>
        new($"The marker {path} {what}.", cause) { Path = path };
}
