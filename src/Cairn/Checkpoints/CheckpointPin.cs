using System.Globalization;
using System.Text.Json;
using Cairn.Policies;
using Cairn.State;

namespace Cairn.Checkpoints;

/// <summary>
/// Somebody's word that a copy is needed: retention, <c>cairn prune</c>, making room and the rotation of the snapshots leave it alone until the pin is released or its time is over. It is a small file in
/// <c>pins/</c> of the run, beside the copies; several may name one copy.
/// </summary>
public sealed record CheckpointPin
{
    private const int Format = 1;

    /// <summary>The copy's step.</summary>
    public required long Step { get; init; }
    /// <summary>Whether the copy is a checkpoint or a snapshot.</summary>
    public required SaveKind Kind { get; init; }
    /// <summary>Who needs it, as <c>user@host</c>.</summary>
    public required string By { get; init; }
    /// <summary>What for; <see langword="null"/> when nobody said.</summary>
    public string? Why { get; init; }
    /// <summary>When it was pinned (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }
    /// <summary>Until when it is needed (UTC, by the clock of who pinned it); <see langword="null"/> until it is released.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Tells this pin from others of the same step.</summary>
    public required string Id { get; init; }
    /// <summary>The hash of the copy's marker: the pin follows the copy wherever it is moved, and does not pass to another of the same step. <see langword="null"/> when the pin cannot be read: any copy of the step is meant.</summary>
    internal string? Marker { get; init; }

    /// <summary>Its file.</summary>
    internal string Path => $"{RunFolder.Pins}/{Step.ToString(CultureInfo.InvariantCulture)}-{Id}.json";

    /// <summary>Whether its time is over.</summary>
    internal bool IsOver(DateTimeOffset now) => ExpiresAt < now;

    /// <summary>Who and why, in words.</summary>
    internal string Describe => Why is null ? By : $"{By}: {Why}";

    internal byte[] ToJson() => JsonBytes.Write(JsonBytes.Indented, json =>
    {
        json.WriteStartObject();
        json.WriteNumber("format", Format);
        json.WriteNumber("step", Step);
        json.WriteString("kind", Kind.ToString().ToLowerInvariant());
        json.WriteString("marker", Marker);
        json.WriteString("by", By);
        if (Why is not null)
            json.WriteString("why", Why);
        json.WriteString("created", CreatedAt);
        if (ExpiresAt is { } expires)
            json.WriteString("expires", expires);
        json.WriteEndObject();
    });

    /// <summary>The step in a file's name; <see langword="null"/> when it is no pin's name.</summary>
    internal static (long Step, string Id)? OfName(string name)
    {
        int dash = name.IndexOf('-', StringComparison.Ordinal);
        return dash > 0 && name.EndsWith(".json", StringComparison.Ordinal) && RunFolder.IsStep(name[..dash], out long step) ? (step, name[(dash + 1)..^".json".Length]) : null;
    }

    /// <summary>Reads what <see cref="ToJson"/> wrote. What cannot be understood keeps every copy of the step in its name: a pin is not to be lost by a bad byte.</summary>
    internal static CheckpointPin Read(long step, string id, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes);
            JsonElement json = document.RootElement;
            return new CheckpointPin
            {
                Step = step,
                Id = id,
                Kind = Enum.Parse<SaveKind>(json.GetProperty("kind").GetString() ?? "", ignoreCase: true),
                Marker = json.GetProperty("marker").GetString(),
                By = json.GetProperty("by").GetString() ?? "",
                Why = json.TryGetProperty("why", out JsonElement why) ? why.GetString() : null,
                CreatedAt = json.GetProperty("created").GetDateTimeOffset(),
                ExpiresAt = json.TryGetProperty("expires", out JsonElement expires) ? expires.GetDateTimeOffset() : null,
            };
        }
        catch (Exception e) when (RunFolder.IsMalformed(e) || e is ArgumentException)
        {
            return Unreadable(step, id);
        }
    }

    internal static CheckpointPin Unreadable(long step, string id) => new()
    {
        Step = step,
        Id = id,
        Kind = SaveKind.Checkpoint,
        By = "somebody",
        Why = $"{RunFolder.Pins}/{step.ToString(CultureInfo.InvariantCulture)}-{id}.json cannot be read",
        CreatedAt = DateTimeOffset.UnixEpoch,
    };
}
