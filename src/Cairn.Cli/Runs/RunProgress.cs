using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Cli.Runs;

/// <summary>What a run's <c>progress.json</c> says.</summary>
internal sealed record RunProgress(DateTimeOffset Time, long Step, long Batch, long Skipped, double? Loss, long? TotalSteps, string? FastFolder)
{
    private const int LargestFile = 64 << 10;

    /// <summary>Reads it; <see langword="null"/> when there is none, or none that can be understood.</summary>
    public static RunProgress? Read(IFileSource files)
    {
        try
        {
            if (!files.FileExists(RunFolder.Progress))
                return null;
            using JsonDocument document = JsonDocument.Parse(SmallFile.Read(files, RunFolder.Progress, LargestFile));
            JsonElement json = document.RootElement;
            return new RunProgress(
                json.GetProperty("time").GetDateTimeOffset(), json.GetProperty("step").GetInt64(), json.GetProperty("batch").GetInt64(), json.GetProperty("skipped").GetInt64(),
                json.TryGetProperty("loss", out JsonElement loss) ? loss.GetDouble() : null, json.TryGetProperty("total_steps", out JsonElement total) ? total.GetInt64() : null,
                json.TryGetProperty("fast_folder", out JsonElement fast) ? fast.GetString() : null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException || RunFolder.IsMalformed(e))
        {
            return null;
        }
    }
}
