using System.Text.Encodings.Web;
using System.Text.Json;

namespace Cairn.Alerts;

/// <summary>An alert as its receiver takes it.</summary>
internal static class AlertBody
{
    // Feishu takes 20 KB, Slack 40,000 characters.
    private const int LongestText = 4000;

    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The JSON to be posted.</summary>
    public static byte[] Of(Alert alert, AlertFormat format)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, Readable))
        {
            json.WriteStartObject();
            switch (format)
            {
                // https://docs.slack.dev/messaging/formatting-message-text: three characters are escaped, or "<!channel>" in a file's name would call everybody.
                case AlertFormat.Slack:
                    json.WriteString("text", Short(alert.ToString()).Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal));
                    break;
                // https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: "<at" would call somebody.
                case AlertFormat.Feishu:
                    json.WriteString("msg_type", "text");
                    json.WriteStartObject("content");
                    json.WriteString("text", Short(alert.ToString()).Replace("<at", "< at", StringComparison.OrdinalIgnoreCase));
                    json.WriteEndObject();
                    break;
                default:
                    Write(json, alert);
                    break;
            }
            json.WriteEndObject();
        }
        return memory.ToArray();
    }

    /// <summary>The name of a kind in JSON.</summary>
    public static string NameOf(AlertKind kind) => JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString());

    private static void Write(Utf8JsonWriter json, Alert alert)
    {
        json.WriteString("alert", NameOf(alert.Kind));
        json.WriteString("run", alert.Run);
        json.WriteString("host", alert.Host);
        json.WriteString("time", alert.Time);
        json.WriteNumber("step", alert.Step);
        if (alert.TotalSteps is { } total)
            json.WriteNumber("total_steps", total);
        json.WriteString("message", Short(PrintableText.Of(alert.Message)));
        json.WriteNumber("held_back", alert.HeldBack);
        json.WriteNumber("dropped", alert.Dropped);
        json.WriteString("text", Short(alert.ToString()));
    }

    private static string Short(string text) => text.Length <= LongestText ? text : text[..LongestText] + "…";
}
