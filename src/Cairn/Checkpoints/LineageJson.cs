using System.Text.Json;

namespace Cairn.Checkpoints;

/// <summary>A run's history as JSON: the same form in <c>run.json</c> and in every marker, so that either can replace the other.</summary>
internal static class LineageJson
{
    public static void Write(Utf8JsonWriter json, Lineage lineage)
    {
        json.WriteNumber("branch", lineage.Current.Id);
        json.WriteStartArray("branches");
        foreach (Branch branch in lineage.Branches)
        {
            json.WriteStartObject();
            json.WriteNumber("id", branch.Id);
            json.WriteString("name", branch.Name);
            if (branch.Parent is { } parent)
            {
                json.WriteNumber("parent", parent);
                json.WriteNumber("step", branch.ForkStep);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <exception cref="FormatException">The branches do not form a history.</exception>
    public static Lineage Read(JsonElement json)
    {
        IEnumerable<Branch> branches = json.GetProperty("branches").EnumerateArray().Select(branch => new Branch(
            branch.GetProperty("id").GetInt32(),
            branch.GetProperty("name").GetString() ?? "",
            branch.TryGetProperty("parent", out JsonElement parent) ? parent.GetInt32() : null,
            branch.TryGetProperty("step", out JsonElement step) ? step.GetInt64() : 0));
        try
        {
            return new Lineage(branches, json.GetProperty("branch").GetInt32());
        }
        catch (ArgumentException e)
        {
            throw new FormatException(e.Message, e);
        }
    }
}
