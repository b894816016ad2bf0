using System.Globalization;
using System.Text.Json;

namespace Cairn.Checkpoints;

/// <summary>The names in a run's folder.</summary>
internal static class RunFolder
{
    /// <summary>Who the run is.</summary>
    public const string Record = "run.json";
    /// <summary>What happened, a line per event.</summary>
    public const string Journal = "journal.jsonl";
    /// <summary>What an operator asks of the run that trains; see <see cref="Stopping.RunCommand"/>.</summary>
    public const string Command = "command";
    /// <summary>Where the run stands now.</summary>
    public const string Progress = "progress.json";
    /// <summary>Which checkpoint is the best, for other programs; what counts is what the markers say.</summary>
    public const string Best = "best.json";
    /// <summary>What stands for the best checkpoint in a path, and in <see cref="CheckpointOptions.ResumeFrom"/>.</summary>
    public const string BestName = "best";
    /// <summary>What is being written; never looked at by resume.</summary>
    public const string Staging = ".staging";
    /// <summary>The folder of the two snapshot slots.</summary>
    public const string Snapshots = "snapshot";
    /// <summary>Checkpoints that stood in the way of a new one of the same step: rolled back or damaged, kept for inspection.</summary>
    public const string Abandoned = "abandoned";
    /// <summary>Who needs which copies: a file for each <see cref="CheckpointPin"/>.</summary>
    public const string Pins = "pins";
    /// <summary>Snapshots that somebody needs and whose slots were taken since, until nobody does.</summary>
    public const string Kept = "kept";
    /// <summary>The marker of a copy whose layout needs <c>&lt;step&gt;.step</c> for a file of its own.</summary>
    public const string Manifest = "cairn.json";
    /// <summary>How many snapshots there are.</summary>
    public const int Slots = Policies.StandingCopies.SnapshotSlots;

    /// <summary>The folder of a checkpoint.</summary>
    public static string Checkpoint(long step) => step.ToString(CultureInfo.InvariantCulture);

    /// <summary>The folder of a snapshot slot.</summary>
    public static string Slot(int slot) => $"{Snapshots}/{slot.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Whether a name is a step as this program writes it.</summary>
    public static bool IsStep(string name, out long step) =>
        long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out step)
        && Checkpoint(step) == name;

    /// <summary>Whether an exception says that some text is not the JSON it should be.</summary>
    internal static bool IsMalformed(Exception e) => e is JsonException or FormatException or KeyNotFoundException or InvalidOperationException;
}
