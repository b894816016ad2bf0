using System.Globalization;
using System.Text;
using Cairn.Checkpoints;

namespace Cairn;

/// <summary>What a run really did, at its end.</summary>
public sealed record RunSummary
{
    /// <summary>Successful optimizer updates.</summary>
    public required long Steps { get; init; }
    /// <summary>Batches drawn.</summary>
    public required long Batches { get; init; }
    /// <summary>Planned steps.</summary>
    public long? TotalSteps { get; init; }
    /// <summary>Skipped batches by reason.</summary>
    public required IReadOnlyDictionary<string, long> SkipsByReason { get; init; }
    /// <summary>The folder of the newest checkpoint; <see langword="null"/> when there is none.</summary>
    public string? FinalCheckpoint { get; init; }
    /// <summary>Checkpoints and snapshots that this process saved.</summary>
    public int Saves { get; init; }
    /// <summary>Saves of this process that failed, were dropped or were refused.</summary>
    public int Unsaved { get; init; }
    /// <summary>Of these, snapshots that were dropped because the save before was still being written.</summary>
    public int Dropped { get; init; }
    /// <summary>Of these, snapshots that were refused because the weights held NaN or infinity.</summary>
    public int Refused { get; init; }
    /// <summary>Time for which training waited because of saves, in this process.</summary>
    public TimeSpan Stall { get; init; }

    /// <summary>The best checkpoint by <see cref="CheckpointOptions.SaveBestMetric"/>; <see langword="null"/> when there is none.</summary>
    public BestCheckpoint? Best { get; init; }

    /// <summary>Whether the model holds the weights of the best checkpoint now, and not those of the last step.</summary>
    public bool IsBestLoaded { get; init; }

    /// <summary>Why the end was not saved: training ended in the middle of a batch. <see langword="null"/> when nothing stood in the way.</summary>
    public string? EndNotSaved { get; init; }

    /// <summary>One sentence each: how the run ended, what was skipped, what was saved.</summary>
    public override string ToString()
    {
        CultureInfo invariant = CultureInfo.InvariantCulture;
        var text = new StringBuilder();
        text.Append(invariant, $"{Counted.Of(Batches, "batch", "batches")}, {Counted.Of(Steps, "step")}");
        if (TotalSteps is { } total)
            text.Append(invariant, $" of {total}");
        long skipped = SkipsByReason.Values.Sum();
        if (skipped > 0)
            text.Append(invariant, $"; {Counted.Of(skipped, "batch was", "batches were")} skipped ({string.Join(", ", SkipsByReason.Select(skip => $"{skip.Key}: {skip.Value}"))})");
        if (TotalSteps > Steps)
            text.Append(invariant, $", {Counted.Of(TotalSteps.Value - Steps, "step")} short of the plan");
        text.Append('.');
        if (EndNotSaved is { } why)
            text.Append(invariant, $" The end was not saved: {why}.");
        text.Append(FinalCheckpoint is null ? " No checkpoint was saved." : $" The newest checkpoint is {FinalCheckpoint}/.");
        if (Best is { } best)
            text.Append(invariant, $" The best is step {best.Step} ({best.Metric} {best.Value:G6}){(IsBestLoaded ? ", whose weights the model holds now" : "")}.");
        if (Saves == 0 && Unsaved == 0)
            text.Append(" Nothing was to be saved in this process");
        else
            text.Append(invariant, $" {Counted.Of(Saves, "save")} in this process, training waited {Stall.TotalSeconds:0.00} s for {(Saves == 1 ? "it" : "them")}");
        foreach (string unsaved in NotSaved())
            text.Append("; ").Append(unsaved);
        return text.Append('.').ToString();
    }

    private IEnumerable<string> NotSaved()
    {
        if (Dropped > 0)
            yield return $"{Counted.Of(Dropped, "snapshot")} dropped (disk slower than the interval)";
        if (Refused > 0)
            yield return $"{Counted.Of(Refused, "snapshot")} refused (NaN or infinity in the weights)";
        if (Unsaved - Dropped - Refused is > 0 and int failed)
            yield return $"{Counted.Of(failed, "save")} failed (see journal.jsonl)";
    }
}
