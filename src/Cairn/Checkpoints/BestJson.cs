using System.Text.Json;

namespace Cairn.Checkpoints;

/// <summary>How the best checkpoint stands in markers and in the run's pointer.</summary>
internal static class BestJson
{
    /// <summary>Writes its properties into the present object.</summary>
    public static void Write(Utf8JsonWriter json, BestCheckpoint best)
    {
        json.WriteNumber("step", best.Step);
        json.WriteString("metric", best.Metric);
        json.WriteNumber("value", best.Value);
        json.WriteBoolean("higher_is_better", best.HigherIsBetter);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static BestCheckpoint Read(JsonElement json) =>
        new(json.GetProperty("step").GetInt64(), json.GetProperty("metric").GetString() ?? throw new FormatException("'metric' is null"), json.GetProperty("value").GetDouble(), json.GetProperty("higher_is_better").GetBoolean());
}
