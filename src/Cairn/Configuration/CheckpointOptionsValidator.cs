using System.Globalization;
using Cairn.Alerts;
using Cairn.Layouts;
using Microsoft.Extensions.Options;

namespace Cairn.Configuration;

/// <summary>
/// Checks <see cref="CheckpointOptions"/>: the ranges that its attributes state, and what values must be to go together.
/// Written by hand because the generated validators do not say which value to use instead.
/// </summary>
internal sealed class CheckpointOptionsValidator : IValidateOptions<CheckpointOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, CheckpointOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        List<string> failures = [];
        CheckWhereAndWhen(options, failures);
        CheckRetention(options, failures);
        CheckResume(options, failures);
        CheckAlerts(options, failures);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    /// <summary>Checks options that no host has checked.</summary>
    /// <exception cref="OptionsValidationException">They contradict themselves.</exception>
    public static void Check(CheckpointOptions options)
    {
        ValidateOptionsResult result = new CheckpointOptionsValidator().Validate(null, options);
        if (result.Failed)
            throw new OptionsValidationException(nameof(CheckpointOptions), typeof(CheckpointOptions), result.Failures);
    }

    private static void CheckWhereAndWhen(CheckpointOptions options, List<string> failures)
    {
        if (options.Store is null && string.IsNullOrWhiteSpace(options.Folder))
            failures.Add("Folder must be set: the folder in which the run keeps its checkpoints.");
        if (options.FastFolder is not null && string.IsNullOrWhiteSpace(options.FastFolder))
            failures.Add("FastFolder must be a folder of this machine, or be left out.");
        if (Stores.RunStores.IsAddress(options.FastFolder))
            failures.Add($"FastFolder must be a folder of this machine, quicker than the run's, not '{options.FastFolder}'.");
        if (options.Replicas is < 0 or > 1)
            failures.Add($"Replicas must be 0 or 1, not {options.Replicas}.");
        if (options is { Replicas: > 0, FastFolder: null })
            failures.Add("Replicas needs FastFolder: the folder in which each host keeps what it has and what the host before it has, such as one in /dev/shm.");
        if (options.ReplicaBytesPerSecond < 1)
            failures.Add($"ReplicaBytesPerSecond must be at least 1 byte, not {options.ReplicaBytesPerSecond}; leave it out for no limit.");
        if (Stores.RunStores.IsAddress(options.StopFile))
            failures.Add($"StopFile must be a file of this machine, or of a mount, not '{options.StopFile}'; a run in a store is stopped by the object 'command' in it, which says 'stop'.");
        if (options.TensorBoardFolder is not null && string.IsNullOrWhiteSpace(options.TensorBoardFolder))
            failures.Add("TensorBoardFolder must be a folder of this machine, or of a mount, or be left out.");
        if (Stores.RunStores.IsAddress(options.TensorBoardFolder))
            failures.Add($"TensorBoardFolder must be a folder of this machine, or of a mount, not '{options.TensorBoardFolder}'. Of a run in a store, 'cairn export' writes such files.");
        if (!CheckpointLayouts.Contains(options.Layout))
            failures.Add($"Layout must be one of {string.Join(", ", CheckpointLayouts.Names.Order(StringComparer.Ordinal).Select(name => $"'{name}'"))}, not '{options.Layout}'.");
        if (options.TotalSteps < 1)
            failures.Add($"TotalSteps must be at least 1, not {options.TotalSteps}; leave it out for a run without a planned end.");
        if (options.CheckpointEvery < 1)
            failures.Add($"CheckpointEvery must be at least 1 step, not {options.CheckpointEvery}; set it to null for no checkpoints by steps.");
        if (options.CheckpointInterval <= TimeSpan.Zero)
            failures.Add($"CheckpointInterval must be longer than zero, not {options.CheckpointInterval:c}; leave it out for no checkpoints by time.");
        if (options.SnapshotEvery is < 0 and not CheckpointOptions.Auto)
            failures.Add($"SnapshotEvery must be at least 1 step, 0 for no snapshots by steps, or auto, not {options.SnapshotEvery}.");
        if (!(options.SnapshotStallBudget is > 0 and < 1))
            failures.Add($"SnapshotStallBudget must be a share of the time above 0 and below 1, such as 0.01 for one percent, not {options.SnapshotStallBudget.ToString(CultureInfo.InvariantCulture)}.");
        if (options.SnapshotInterval <= TimeSpan.Zero)
            failures.Add($"SnapshotInterval must be longer than zero, not {options.SnapshotInterval:c}; leave it out for no snapshots by time.");
        if (options.RankTimeout <= TimeSpan.Zero || options.RankTimeout > TimeSpan.FromHours(12))
            failures.Add($"RankTimeout must be longer than zero and at most 12 hours, not {options.RankTimeout:c}.");
        if (options.LeaseDuration < TimeSpan.FromSeconds(1) || options.LeaseDuration > TimeSpan.FromMinutes(10))
            failures.Add($"LeaseDuration must be between 1 second and 10 minutes, not {options.LeaseDuration:c}.");
        if (options.StoreTimeout <= TimeSpan.Zero || options.StoreTimeout > TimeSpan.FromHours(12))
            failures.Add($"StoreTimeout must be longer than zero and at most 12 hours, not {options.StoreTimeout:c}.");
        if (options.StopGrace <= TimeSpan.Zero)
            failures.Add($"StopGrace must be longer than zero, not {options.StopGrace:c}; leave it out when that time is not known.");
    }

    private static void CheckRetention(CheckpointOptions options, List<string> failures)
    {
        if (options is { RetentionPolicy: not null, HasKeepRule: true })
            failures.Add("RetentionPolicy stands in place of KeepLast, KeepEvery, KeepEach, KeepSpread, KeepBest and KeepWithinBytes: leave these out, or join them to yours with Retention.Any.");
        if (options.KeepLast < 2)
        {
            failures.Add($"KeepLast must be at least 2, not {options.KeepLast}: with fewer, nothing is left to resume from " +
                "when the newest checkpoint turns out to be unreadable.");
        }
        if (options.KeepOptimizer < 2)
            failures.Add($"KeepOptimizer must be at least 2, not {options.KeepOptimizer}: with fewer, nothing is left to resume from when the newest checkpoint turns out to be unreadable.");
        if (options.KeepOptimizer is not null && options.Layout != CheckpointLayouts.Default)
            failures.Add($"KeepOptimizer is for the layout '{CheckpointLayouts.Default}', and Layout is '{options.Layout}': a checkpoint of that without its optimizer could not be read by the program that it is for. Leave one of them out.");
        if (options.KeepEvery < 1)
            failures.Add($"KeepEvery must be at least 1 step, not {options.KeepEvery}.");
        if (options.KeepEach <= TimeSpan.Zero)
            failures.Add($"KeepEach must be longer than zero, not {options.KeepEach:c}.");
        if (options.KeepSpread < 1)
            failures.Add($"KeepSpread must be at least 1 step, not {options.KeepSpread}.");
        if (options.KeepBest < 1)
            failures.Add($"KeepBest must be at least 1, not {options.KeepBest}.");
        if (options.KeepBest is not null && string.IsNullOrWhiteSpace(options.KeepBestMetric) && string.IsNullOrWhiteSpace(options.SaveBestMetric))
            failures.Add("KeepBest needs KeepBestMetric (or SaveBestMetric): the name of the metric by which a checkpoint is the best.");
        if (options.KeepBest is null && !string.IsNullOrWhiteSpace(options.KeepBestMetric))
            failures.Add($"KeepBestMetric is '{options.KeepBestMetric}' but KeepBest is not set: say how many of the best checkpoints to keep.");
        CheckBest(options, failures);
        if (options.KeepWithinBytes < 1)
            failures.Add($"KeepWithinBytes must be at least 1 byte, not {options.KeepWithinBytes}; leave it out for no limit.");
    }

    private static void CheckBest(CheckpointOptions options, List<string> failures)
    {
        bool savesBest = !string.IsNullOrWhiteSpace(options.SaveBestMetric);
        if (options.SaveBestMetric is not null && !savesBest)
            failures.Add("SaveBestMetric must be the name of a metric such as 'validation_loss', or be left out.");
        if (!savesBest && (options.SaveBestHigher || options.SaveBestMinDelta != 0))
            failures.Add($"{(options.SaveBestHigher ? nameof(options.SaveBestHigher) : nameof(options.SaveBestMinDelta))} is set but SaveBestMetric is not: say which metric makes a checkpoint the best.");
        if (!savesBest && options.LoadBestModelAtEnd)
            failures.Add("LoadBestModelAtEnd needs SaveBestMetric: the metric by which a checkpoint is the best.");
        if (!(options.SaveBestMinDelta >= 0) || double.IsInfinity(options.SaveBestMinDelta))
            failures.Add($"SaveBestMinDelta must be 0 or more, not {options.SaveBestMinDelta}: by how much more than this the metric must be better.");
        // A second metric would make two checkpoints the best.
        if (savesBest && !string.IsNullOrWhiteSpace(options.KeepBestMetric) && (options.KeepBestMetric != options.SaveBestMetric || options.KeepBestHigher != options.SaveBestHigher))
        {
            failures.Add($"SaveBestMetric ('{options.SaveBestMetric}', {Better(options.SaveBestHigher)}) and KeepBestMetric ('{options.KeepBestMetric}', {Better(options.KeepBestHigher)}) call different checkpoints the best: " +
                "leave KeepBestMetric and KeepBestHigher out, and KeepBest uses SaveBestMetric.");
        }
        else if (options.KeepBestHigher && string.IsNullOrWhiteSpace(options.KeepBestMetric) && savesBest && !options.SaveBestHigher)
            failures.Add("KeepBestHigher is set without KeepBestMetric, and SaveBestHigher is not: set SaveBestHigher, which KeepBest uses too.");
    }

    private static string Better(bool higher) => higher ? "higher is better" : "lower is better";

    private static void CheckAlerts(CheckpointOptions options, List<string> failures)
    {
        if (options.Alerts is null)
            failures.Add("Alerts must be a list of addresses, or be empty for none.");
        else
            failures.AddRange(AlertReceivers.Problems("Alerts", options.Alerts));
        if (options.AlertCopyAge <= TimeSpan.Zero)
            failures.Add($"AlertCopyAge must be longer than zero, not {options.AlertCopyAge:c}; leave it out for no such alert.");
        if (options.AlertSilence <= TimeSpan.Zero)
            failures.Add($"AlertSilence must be longer than zero, not {options.AlertSilence:c}; set it to null for no such alert.");
        if (options.AlertInterval < TimeSpan.Zero || options.AlertInterval > TimeSpan.FromDays(30))
            failures.Add($"AlertInterval must be between zero and 30 days, not {options.AlertInterval:c}.");
    }

    private static void CheckResume(CheckpointOptions options, List<string> failures)
    {
        if (options.ResumeParts is null || options.ResumeParts.Any(string.IsNullOrWhiteSpace))
            failures.Add("ResumeParts must hold names of parts such as 'model', or be empty for all parts.");
        else if (options.ResumeParts.Count > 0 && string.IsNullOrWhiteSpace(options.ResumeFrom))
            failures.Add("ResumeParts is set but ResumeFrom is not: say where these parts come from.");
        foreach ((string name, IList<string>? patterns) in (ReadOnlySpan<(string, IList<string>?)>)
            [(nameof(options.ResumeAllowMissing), options.ResumeAllowMissing), (nameof(options.ResumeAllowUnexpected), options.ResumeAllowUnexpected)])
        {
            if (patterns is null || patterns.Any(string.IsNullOrWhiteSpace))
                failures.Add($"{name} must hold patterns such as 'head.*', or be empty: then everything must fit.");
            else if (patterns.Count > 0 && string.IsNullOrWhiteSpace(options.ResumeFrom))
                failures.Add($"{name} is set but ResumeFrom is not: a run goes on from its own copies as a whole. Say from where it begins.");
        }
    }
}
