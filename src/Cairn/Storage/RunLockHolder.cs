using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cairn.Storage;

/// <summary>Who holds or held the lock of a run, as written in its lock file.</summary>
/// <param name="ProcessId">The process, on its host.</param>
/// <param name="Host">The machine's name.</param>
/// <param name="Started">When the process started (UTC). Tells it from a later one with the same id.</param>
/// <param name="Program">The program's name.</param>
/// <param name="Acquired">When the lock was taken (UTC).</param>
public sealed record RunLockHolder(
    [property: JsonPropertyName("pid")] int ProcessId,
    [property: JsonPropertyName("host")] string Host,
    [property: JsonPropertyName("started")] DateTimeOffset Started,
    [property: JsonPropertyName("program")] string Program,
    [property: JsonPropertyName("acquired")] DateTimeOffset Acquired)
{
    // Start times are computed from the boot time and clock ticks, and differ a little between readings.
    private static readonly TimeSpan StartTolerance = TimeSpan.FromSeconds(2);

    /// <summary>For messages: the process, its program, host and time.</summary>
    public override string ToString() => $"process {ProcessId} ({Program}) on host '{Host}' since {Acquired:u}";

    internal static RunLockHolder ThisProcess(TimeProvider time)
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return new RunLockHolder(process.Id, Environment.MachineName, new DateTimeOffset(process.StartTime).ToUniversalTime(), process.ProcessName, time.GetUtcNow());
    }

    /// <summary>Whether that very process still runs; meaningful on its own host only.</summary>
    internal bool IsAlive()
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(ProcessId);
            return !process.HasExited && (new DateTimeOffset(process.StartTime) - Started).Duration() <= StartTolerance;
        }
        catch (ArgumentException)
        {
            return false;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // It exists, but belongs to somebody else.
            return true;
        }
    }

    internal byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, RunLockJson.Default.RunLockHolder);

    /// <summary>The holder written in a lock file; <see langword="null"/> when that is empty or unreadable.</summary>
    internal static RunLockHolder? FromJson(ReadOnlySpan<byte> content)
    {
        try
        {
            return content.IsEmpty ? null : JsonSerializer.Deserialize(content, RunLockJson.Default.RunLockHolder);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

[JsonSerializable(typeof(RunLockHolder))]
internal sealed partial class RunLockJson : JsonSerializerContext;
