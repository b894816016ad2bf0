using System.Globalization;

namespace Cairn.Alerts;

/// <summary>Something of a run that a person wants to hear of.</summary>
public sealed record Alert
{
    /// <summary>What it is about.</summary>
    public required AlertKind Kind { get; init; }
    /// <summary>The run's folder or address.</summary>
    public required string Run { get; init; }
    /// <summary>The machine that says it.</summary>
    public required string Host { get; init; }
    /// <summary>The step that it is about.</summary>
    public required long Step { get; init; }
    /// <summary>Planned steps; <see langword="null"/> without a plan.</summary>
    public long? TotalSteps { get; init; }
    /// <summary>What happened, in a sentence or two.</summary>
    public required string Message { get; init; }
    /// <summary>When.</summary>
    public required DateTimeOffset Time { get; init; }
    /// <summary>Alerts of the same kind that were held back before this one (<see cref="CheckpointOptions.AlertInterval"/>).</summary>
    public long HeldBack { get; init; }
    /// <summary>Alerts, of any kind, that were given up before this one because the receiver did not take them as fast as they came.</summary>
    public long Dropped { get; init; }

    /// <summary>All of it as text for people.</summary>
    public override string ToString()
    {
        string text = $"{Run} ({Host}): {Message}";
        if (HeldBack > 0)
            text += string.Create(CultureInfo.InvariantCulture, $" ({HeldBack} more of this kind since the last one)");
        if (Dropped > 0)
            text += string.Create(CultureInfo.InvariantCulture, $" ({Dropped} alerts before this one were given up)");
        return PrintableText.Of(text);
    }
}
