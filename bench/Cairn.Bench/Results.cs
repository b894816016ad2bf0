using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cairn.Bench;

/// <summary>What one contender took, round by round.</summary>
internal sealed record Result(string Name, Role Role, IReadOnlyList<double> Milliseconds)
{
    public double Median => Measure.Median([.. Milliseconds]);
    public double Min => Milliseconds.Min();
    public double Max => Milliseconds.Max();
}

/// <summary>Contenders that did the same.</summary>
internal sealed record ResultGroup(string Title, long Bytes, IReadOnlyList<Result> Results)
{
    /// <summary>The best that the machine did; <see langword="null"/> where nobody asked it.</summary>
    [JsonIgnore]
    public Result? Limit => Results.Where(result => result.Role == Role.Limit).MinBy(result => result.Median);

    /// <summary>What peers are compared with.</summary>
    [JsonIgnore]
    public Result? Ours => Results.FirstOrDefault(result => result.Role == Role.Ours);

    /// <summary>How fast a contender is, with the machine's best as 1.</summary>
    public double? ShareOfLimit(Result result) => Limit is { } limit ? limit.Median / result.Median : null;

    /// <summary>How long a contender takes, with Cairn as 1.</summary>
    public double? TimesOurs(Result result) => Ours is { } ours ? result.Median / ours.Median : null;

    /// <summary>A table, the fastest first.</summary>
    public string ToMarkdown()
    {
        bool hasPeers = Results.Any(result => result.Role == Role.Peer);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"| {Title} | median | range | speed | of the limit |{(hasPeers ? " time, Cairn = 1 |" : "")}\n");
        text.Append("| --- | --- | --- | --- | --- |").Append(hasPeers ? " --- |" : "").Append('\n');
        foreach (Result result in Results.OrderBy(result => result.Median))
        {
            string name = result.Role switch { Role.Ours => $"**{result.Name}**", Role.Limit => $"*{result.Name}*", _ => result.Name };
            text.Append(CultureInfo.InvariantCulture, $"| {name} | {Time(result.Median)} | {Time(result.Min)} to {Time(result.Max)} | {Bytes / result.Median / 1e6:0.00} GB/s |");
            text.Append(CultureInfo.InvariantCulture, $" {ShareOfLimit(result):0%} |");
            if (hasPeers)
                text.Append(CultureInfo.InvariantCulture, $" {TimesOurs(result):0.00} |");
            text.Append('\n');
        }
        return text.ToString();
    }

    private static string Time(double milliseconds) => string.Create(CultureInfo.InvariantCulture, $"{milliseconds.ToString(milliseconds < 10 ? "0.0" : "0", CultureInfo.InvariantCulture)} ms");
}

/// <summary>Groups as a file that programs read.</summary>
internal static class ResultFile
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true, Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) } };

    /// <param name="path">The file, which is written over.</param>
    /// <param name="groups">What was measured.</param>
    /// <param name="about">What else is to be known of it.</param>
    public static void Write(string path, IEnumerable<ResultGroup> groups, object about) => File.WriteAllText(path, JsonSerializer.Serialize(new
    {
        machine = new { processors = Environment.ProcessorCount, memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, system = System.Runtime.InteropServices.RuntimeInformation.OSDescription },
        about,
        groups = groups.Select(group => new
        {
            group.Title,
            group.Bytes,
            results = group.Results.Select(result => new
            {
                result.Name,
                result.Role,
                result.Milliseconds,
                result.Median,
                result.Min,
                result.Max,
                shareOfLimit = group.ShareOfLimit(result),
                timesOurs = group.TimesOurs(result),
            }),
        }),
    }, Format) + "\n");
}
