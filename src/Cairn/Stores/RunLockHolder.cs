using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cairn.Stores;

/// <summary>Who holds or held the lock of a run, as written in its lock file.</summary>
/// <param name="ProcessId">The process, on its host.</param>
/// <param name="Host">The machine's name.</param>
/// <param name="Started">When the process started (UTC). Tells it from a later one with the same id.</param>
/// <param name="Program">The program's name.</param>
/// <param name="Acquired">When the lock was taken (UTC).</param>
internal sealed record RunLockHolder(
    [property: JsonPropertyName("pid")] int ProcessId,
    [property: JsonPropertyName("host")] string Host,
    [property: JsonPropertyName("started")] DateTimeOffset Started,
    [property: JsonPropertyName("program")] string Program,
    [property: JsonPropertyName("acquired")] DateTimeOffset Acquired)
{
    // Every record has this length, so that a heartbeat overwrites the one before it and needs no space on a full disk.
    private const int FileLength = 1024;
    private const int LongestProgram = 64;

    // Asked once: for the name the system looks at each thread of the process.
    private static readonly Lazy<RunLockHolder> Own = new(static () =>
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        string program = process.ProcessName.Length > LongestProgram ? process.ProcessName[..LongestProgram] : process.ProcessName;
        return new RunLockHolder(process.Id, Environment.MachineName, new DateTimeOffset(process.StartTime).ToUniversalTime(), program, default)
        {
            Boot = ProcessIdentity.Boot,
            PidNamespace = ProcessIdentity.PidNamespace,
            StartTicks = ProcessIdentity.StartTicks(process.Id),
        };
    }, LazyThreadSafetyMode.PublicationOnly);

    /// <summary>The boot of the machine in which the process runs; <see langword="null"/> where the system does not tell.</summary>
    [JsonPropertyName("boot")]
    public string? Boot { get; init; }

    /// <summary>The namespace in which the process has its id; <see langword="null"/> where the system does not tell. Containers may share a host's name.</summary>
    [JsonPropertyName("pid_namespace")]
    public string? PidNamespace { get; init; }

    /// <summary>When the process started, in clock ticks since that boot; <see langword="null"/> where the system does not tell.</summary>
    [JsonPropertyName("start_ticks")]
    public long? StartTicks { get; init; }

    /// <summary>Names this acquisition and no other; <see langword="null"/> in records of before there were heartbeats.</summary>
    [JsonPropertyName("token")]
    public string? Token { get; init; }

    /// <summary>Grows with each acquisition for as long as the file exists.</summary>
    [JsonPropertyName("fence")]
    public long Fence { get; init; }

    /// <summary>Seconds without a heartbeat after which the lock counts as left.</summary>
    [JsonPropertyName("lease_seconds")]
    public double LeaseSeconds { get; init; }

    /// <summary>Heartbeats so far.</summary>
    [JsonPropertyName("beat")]
    public long Beat { get; init; }

    /// <summary>When the last heartbeat was written, by the holder's clock (UTC).</summary>
    [JsonPropertyName("beat_time")]
    public DateTimeOffset? BeatTime { get; init; }

    /// <summary>Whether the holder let go of the lock in order.</summary>
    [JsonPropertyName("released")]
    public bool IsReleased { get; init; }

    /// <summary>For messages: the process, its program, host and time.</summary>
    public override string ToString() => $"process {ProcessId} ({Program}) on host '{Host}' since {Acquired:u}";

    internal static RunLockHolder ThisProcess(TimeProvider time) => Own.Value with { Host = Environment.MachineName, Acquired = time.GetUtcNow() };

    /// <summary>Whether its process id means something here: the same host, boot and namespace.</summary>
    internal bool IsOfThisMachine => Host == Environment.MachineName
        && (Boot is null || Boot == ProcessIdentity.Boot) && (PidNamespace is null || PidNamespace == ProcessIdentity.PidNamespace);

    /// <summary>Whether that very process still runs; meaningful where <see cref="IsOfThisMachine"/>.</summary>
    internal bool IsAlive() => ProcessIdentity.IsAlive(ProcessId, StartTicks, Started);

    internal byte[] ToJson()
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(this, RunLockJson.Default.RunLockHolder);
        byte[] padded = new byte[Math.Max(FileLength, json.Length + 1)];
        padded.AsSpan().Fill((byte)' ');
        json.CopyTo(padded, 0);
        padded[^1] = (byte)'\n';
        return padded;
    }

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

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(RunLockHolder))]
internal sealed partial class RunLockJson : JsonSerializerContext;
