using System.Diagnostics.CodeAnalysis;
using Cairn.Layouts;
using Microsoft.Extensions.Configuration;

namespace Cairn.Configuration;

/// <summary>A key that a section may have, and how its value is read. A <see cref="FormatException"/> from <see cref="Read"/> says what is wrong with the value.</summary>
internal sealed record ConfigurationKey(string Name, Action<IConfigurationSection, ConfigurationReading> Read);

/// <summary>All keys: the options' own names and InternLM's.</summary>
internal static class ConfigurationKeys
{
    private static readonly ConfigurationKey[] All =
    [
        Of("Folder", ConfigurationValues.Address, (options, value) => options.Folder = value ?? ""),
        Of("FastFolder", ConfigurationValues.Address, (options, value) => options.FastFolder = value),
        Of("Replicas", ConfigurationValues.SmallCount, (options, value) => options.Replicas = value ?? 0),
        Of("ReplicaBytesPerSecond", ConfigurationValues.Count, (options, value) => options.ReplicaBytesPerSecond = value),
        Of("Layout", ConfigurationValues.Text, (options, value) => options.Layout = value?.ToLowerInvariant() ?? CheckpointLayouts.Default),
        Of("Enabled", ConfigurationValues.Switch, (options, value) => options.Enabled = value),
        Of("TotalSteps", ConfigurationValues.Count, (options, value) => options.TotalSteps = value),
        Of("CheckpointEvery", ConfigurationValues.Count, (options, value) => options.CheckpointEvery = value),
        Of("CheckpointInterval", ConfigurationValues.Time, (options, value) => options.CheckpointInterval = value),
        new("SnapshotEvery", (entry, reading) =>
        {
            long? every = ConfigurationValues.CountOrAuto(entry);
            reading.Set("SnapshotEvery", entry.Path, every, static (options, value) => options.SnapshotEvery = value, every == CheckpointOptions.Auto ? "auto" : null);
        }),
        Of("SnapshotStallBudget", ConfigurationValues.Number, (options, value) => options.SnapshotStallBudget = value ?? new CheckpointOptions().SnapshotStallBudget),
        Of("SnapshotInterval", ConfigurationValues.Time, (options, value) => options.SnapshotInterval = value),
        Of("Asynchronous", ConfigurationValues.Switch, (options, value) => options.Asynchronous = value),
        Of("OverlapCapture", ConfigurationValues.Switch, (options, value) => options.OverlapCapture = value),
        Of("ShareUnchanged", ConfigurationValues.Switch, (options, value) => options.ShareUnchanged = value),
        Of("AutoResume", ConfigurationValues.Switch, (options, value) => options.AutoResume = value),
        Of("ResumeFrom", ConfigurationValues.Address, (options, value) => options.ResumeFrom = value),
        new("ResumeParts", (entry, reading) => InternLmKeys.SetParts(entry.Path, ConfigurationValues.Names(entry), reading)),
        Patterns("ResumeAllowMissing", (options, value) => options.ResumeAllowMissing = value),
        Patterns("ResumeAllowUnexpected", (options, value) => options.ResumeAllowUnexpected = value),
        Of("ResumeSettings", ConfigurationValues.Choice<State.SettingsSource>, (options, value) => options.ResumeSettings = value),
        Of("Branch", ConfigurationValues.Text, (options, value) => options.Branch = value),
        Of("StopFile", ConfigurationValues.Address, (options, value) => options.StopFile = value),
        Of("HandleSignals", ConfigurationValues.Switch, (options, value) => options.HandleSignals = value),
        Of("StopGrace", ConfigurationValues.Time, (options, value) => options.StopGrace = value),
        Of("StoreTimeout", ConfigurationValues.Time, (options, value) => options.StoreTimeout = value ?? new CheckpointOptions().StoreTimeout),
        Of("RankTimeout", ConfigurationValues.Time, (options, value) => options.RankTimeout = value ?? new CheckpointOptions().RankTimeout),
        Of("LeaseDuration", ConfigurationValues.Time, (options, value) => options.LeaseDuration = value ?? new CheckpointOptions().LeaseDuration),
        Of("SaveBestMetric", ConfigurationValues.Text, (options, value) => options.SaveBestMetric = value),
        Of("SaveBestHigher", ConfigurationValues.Switch, (options, value) => options.SaveBestHigher = value),
        Of("SaveBestMinDelta", ConfigurationValues.Number, (options, value) => options.SaveBestMinDelta = value ?? 0),
        Of("LoadBestModelAtEnd", ConfigurationValues.Switch, (options, value) => options.LoadBestModelAtEnd = value),
        Of("KeepLast", ConfigurationValues.SmallCount, (options, value) => options.KeepLast = value),
        Of("KeepEvery", ConfigurationValues.Count, (options, value) => options.KeepEvery = value),
        Of("KeepEach", ConfigurationValues.Time, (options, value) => options.KeepEach = value),
        Of("KeepSpread", ConfigurationValues.Count, (options, value) => options.KeepSpread = value),
        Of("KeepBest", ConfigurationValues.SmallCount, (options, value) => options.KeepBest = value),
        Of("KeepBestMetric", ConfigurationValues.Text, (options, value) => options.KeepBestMetric = value),
        Of("KeepBestHigher", ConfigurationValues.Switch, (options, value) => options.KeepBestHigher = value),
        Of("KeepWithinBytes", ConfigurationValues.Count, (options, value) => options.KeepWithinBytes = value),
        Of("KeepOptimizer", ConfigurationValues.SmallCount, (options, value) => options.KeepOptimizer = value),
        Of("RefuseNonFiniteSnapshots", ConfigurationValues.Switch, (options, value) => options.RefuseNonFiniteSnapshots = value),
        Of("FailOnError", ConfigurationValues.Switch, (options, value) => options.FailOnError = value),
        Of("VerifyHashes", ConfigurationValues.Switch, (options, value) => options.VerifyHashes = value),
        Of("ProbeStore", ConfigurationValues.Switch, (options, value) => options.ProbeStore = value),
        Of("DirectIO", ConfigurationValues.Choice<Stores.DirectIO>, (options, value) => options.DirectIO = value),
        Of("TensorBoardFolder", ConfigurationValues.Address, (options, value) => options.TensorBoardFolder = value),
        AlertKeys.Alerts,
        Of("AlertCopyAge", ConfigurationValues.Time, (options, value) => options.AlertCopyAge = value),
        Of("AlertSilence", ConfigurationValues.Time, (options, value) => options.AlertSilence = value),
        Of("AlertInterval", ConfigurationValues.Time, (options, value) => options.AlertInterval = value ?? new CheckpointOptions().AlertInterval),
        .. AlertKeys.OfInternLm,
        .. InternLmKeys.All,
    ];

    private static readonly Dictionary<string, ConfigurationKey> ByName = All.ToDictionary(key => Normalize(key.Name), StringComparer.Ordinal);

    public static IEnumerable<string> Names => All.Select(key => key.Name);

    public static bool TryFind(string name, [NotNullWhen(true)] out ConfigurationKey? key) => ByName.TryGetValue(Normalize(name), out key);

    /// <summary>The same for <c>CheckpointEvery</c>, <c>checkpoint_every</c> and <c>checkpoint-every</c>.</summary>
    public static string Normalize(string name) =>
        name.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();

    private static ConfigurationKey Patterns(string option, Action<CheckpointOptions, IList<string>> assign) => new(option, (entry, reading) =>
    {
        string[] patterns = ConfigurationValues.Names(entry);
        reading.Set(option, entry.Path, patterns, (options, value) => assign(options, [.. value]), string.Join(", ", patterns));
    });

    private static ConfigurationKey Of<T>(string option, Func<IConfigurationSection, T> parse, Action<CheckpointOptions, T> assign) =>
        new(option, (entry, reading) => reading.Set(option, entry.Path, parse(entry), assign));
}
