using System.Globalization;
using System.Text.Json;

namespace Cairn.Cli.Output;

/// <summary>An event of a journal in one line for people.</summary>
internal static class EventText
{
    // The fields that say it; in this order.
    private static readonly string[] Shown = ["step", "kind", "reason", "from", "lost_steps", "skipped", "bytes", "seconds", "stall_seconds", "action", "state", "checkpoint", "problem", "error"];

    public static string Of(JsonElement line)
    {
        string text = line.TryGetProperty("time", out JsonElement time) && time.TryGetDateTimeOffset(out DateTimeOffset at) ? at.ToString("HH:mm:ss ", CultureInfo.InvariantCulture) : "";
        text += line.TryGetProperty("event", out JsonElement name) ? name.ToString() : "?";
        foreach (string field in Shown)
        {
            if (line.TryGetProperty(field, out JsonElement value))
                text += $"  {field} {(value.ValueKind == JsonValueKind.Number && field.EndsWith("seconds", StringComparison.Ordinal) ? Units.Number(Math.Round(value.GetDouble(), 3)) : value.ToString())}";
        }
        return Words.Printable(text).Replace('\n', ' ');
    }
}
