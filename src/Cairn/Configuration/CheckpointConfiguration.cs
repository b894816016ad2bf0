using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Cairn.Configuration;

/// <summary>
/// Reads <see cref="CheckpointOptions"/> from a configuration section. Keys are the options' names, also in snake case, or InternLM's
/// (<c>save_ckpt_folder</c>, <c>oss_snapshot_freq</c>, <c>load_ckpt_info</c>, …); case does not matter. A key that is not known is an error.
/// </summary>
public static class CheckpointConfiguration
{
    /// <summary>Reads the section over <paramref name="options"/>: what it does not mention stays.</summary>
    /// <returns>Notes for the user: what was accepted and has no effect here. Empty when there are none.</returns>
    /// <exception cref="OptionsValidationException">A key is unknown, a value cannot be read, two keys of one option disagree, or a store or
    /// format is asked for that is not there. <see cref="OptionsValidationException.Failures"/> lists all of them.</exception>
    public static IReadOnlyList<string> Bind(IConfiguration section, CheckpointOptions options)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(options);
        ConfigurationReading reading = new(options);
        foreach (IConfigurationSection child in section.GetChildren())
            Read(child, reading);
        InternLmKeys.Settle(reading);
        AlertKeys.Settle(reading);
        if (reading.Failures.Count > 0)
            throw new OptionsValidationException(Options.DefaultName, typeof(CheckpointOptions), reading.Failures);
        return reading.Notes;
    }

    private static void Read(IConfigurationSection entry, ConfigurationReading reading)
    {
        if (!ConfigurationKeys.TryFind(entry.Key, out ConfigurationKey? key))
        {
            reading.Fail($"'{entry.Path}' is not an option of Cairn.{Suggestion(entry.Key)}");
            return;
        }
        try
        {
            key.Read(entry, reading);
        }
        catch (FormatException problem)
        {
            reading.Fail($"'{entry.Path}': {problem.Message}");
        }
    }

    private static string Suggestion(string key) => EditDistance.Nearest(key, ConfigurationKeys.Names, ConfigurationKeys.Normalize) is { } nearest
        ? $" Did you mean '{nearest}'?"
        : " Remove it, or see CheckpointOptions for the names.";
}
