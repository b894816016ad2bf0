using Cairn.Alerts;
using Microsoft.Extensions.Configuration;

namespace Cairn.Configuration;

/// <summary>The keys that say where alerts go: Cairn's own, and InternLM's dictionary <c>monitor</c>. No value of theirs is ever shown: it may hold a secret.</summary>
internal static class AlertKeys
{
    /// <summary>A list of addresses, or a single one.</summary>
    public static readonly ConfigurationKey Alerts = new("Alerts", static (entry, reading) =>
    {
        IConfigurationSection[] items = [.. entry.GetChildren()];
        reading.Options.Alerts = items.Length > 0 ? [.. items.Select(ConfigurationValues.Text).OfType<string>()]
            : ConfigurationValues.Text(entry) is { } single ? [single] : [];
    });

    /// <summary><c>monitor = dict(alert=dict(enable_feishu_alert=…, feishu_alert_address=…, light_monitor_address=…))</c>, as a whole or its parts.</summary>
    public static readonly ConfigurationKey[] OfInternLm =
    [
        new("monitor", static (entry, reading) => Within(entry, reading)),
        new("alert", static (entry, reading) => Within(entry, reading)),
        new("enable_feishu_alert", static (entry, reading) => reading.UsesFeishu = ConfigurationValues.Switch(entry)),
        new("feishu_alert_address", static (entry, reading) => reading.FeishuAddress = ConfigurationValues.Text(entry) is { } address ? (entry.Path, address) : null),
        new("light_monitor_address", static (entry, reading) =>
        {
            if (ConfigurationValues.Text(entry) is not null)
                reading.Note($"'{entry.Path}' has no effect: it is for a monitor of InternLM's own. Cairn's metrics are OpenTelemetry's: docs/telemetry.md.");
        }),
        new("tensorboard", static (entry, reading) => reading.Note($"'{entry.Path}' has no effect: TensorBoardFolder says where files for TensorBoard are written, and they need no queue that is set.")),
    ];

    /// <summary>InternLM's address counts when its alerts are not switched off.</summary>
    public static void Settle(ConfigurationReading reading)
    {
        if (reading.FeishuAddress is not var (key, address))
            return;
        if (!reading.UsesFeishu)
        {
            reading.Note($"'{key}' has no effect: enable_feishu_alert is false.");
            return;
        }
        // A relay of one's own takes Feishu's form, as it did from InternLM.
        string feishu = $"feishu:{address}";
        if (AlertAddress.TryParse(address, out AlertAddress? plain) && !reading.Options.Alerts.Any(given => AlertAddress.TryParse(given, out AlertAddress? other) && other.Uri == plain.Uri))
            reading.Options.Alerts = [.. reading.Options.Alerts, feishu];
        else if (plain is null)
            reading.Fail($"'{key}': expected an address that begins with https://. (What was found is not shown, for it may hold a secret.)");
    }

    private static void Within(IConfigurationSection entry, ConfigurationReading reading)
    {
        foreach (IConfigurationSection item in entry.GetChildren())
        {
            if (Array.Find(OfInternLm, key => ConfigurationKeys.Normalize(key.Name) == ConfigurationKeys.Normalize(item.Key)) is { } known)
                known.Read(item, reading);
            else
                reading.Note($"'{item.Path}' has no effect here.");
        }
    }
}
