using System.Text.Json;

namespace Cairn.Cli.Output;

/// <summary>Names as they stand in the output.</summary>
internal static class Words
{
    /// <summary><c>SpaceRunsOut</c> as <c>space_runs_out</c>.</summary>
    public static string Snake(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
}
