using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>Where a run was branched from another one.</summary>
/// <param name="Run">Id of the other run.</param>
/// <param name="Step">The step taken over.</param>
internal sealed record RunOrigin(string Run, long Step);

/// <summary>Where and why a run was finished by its own decision, such as early stopping.</summary>
/// <param name="Step">Steps made.</param>
/// <param name="Branch">The branch that was trained.</param>
/// <param name="Reason">Why, in the program's words.</param>
/// <param name="TotalSteps">What was planned then.</param>
internal sealed record RunEnd(long Step, int Branch, string Reason, long? TotalSteps)
{
    /// <summary>The reason why a run that stands here is finished; <see langword="null"/> when it is not: it went back, or more steps are planned now.</summary>
    internal string? At(TrainState train, Lineage lineage) =>
        train.Step == Step && lineage.Current.Id == Branch && !(train.TotalSteps > (TotalSteps ?? Step)) ? Reason : null;
}

/// <summary>What <c>run.json</c> says: who the run is, and the branches of its history.</summary>
/// <param name="Id">The run's id, made once.</param>
/// <param name="Created">When the run began.</param>
/// <param name="Lineage">Its branches.</param>
/// <param name="Origin">The run and step that it started from, if any.</param>
internal sealed record RunRecord(string Id, DateTimeOffset Created, Lineage Lineage, RunOrigin? Origin)
{
    /// <summary>Where the run was finished by its own decision, if it was.</summary>
    public RunEnd? Finished { get; init; }

    private const int Format = 1;
    private const int LargestFile = 16 << 20;

    /// <summary>A new run.</summary>
    public static RunRecord New(DateTimeOffset now) => new(Guid.NewGuid().ToString("N"), now, Lineage.New, null);

    /// <summary>Writes the record so that a crash leaves the old one or the new one.</summary>
    internal void Save(IRunFiles files) => files.Put(RunFolder.Record, ToBytes(), durable: true);

    /// <summary>The record as JSON.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = JsonBytes.Write(JsonBytes.Indented, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("format", Format);
            json.WriteString("run", Id);
            json.WriteString("created", Created);
            if (Origin is { } origin)
            {
                json.WriteStartObject("parent");
                json.WriteString("run", origin.Run);
                json.WriteNumber("step", origin.Step);
                json.WriteEndObject();
            }
            if (Finished is { } end)
            {
                json.WriteStartObject("finished");
                json.WriteNumber("step", end.Step);
                json.WriteNumber("branch", end.Branch);
                json.WriteString("reason", end.Reason);
                if (end.TotalSteps is { } total)
                    json.WriteNumber("total_steps", total);
                json.WriteEndObject();
            }
            LineageJson.Write(json, Lineage);
            json.WriteEndObject();
        });
        return bytes.Length <= LargestFile ? bytes
            : throw new CheckpointException($"{RunFolder.Record} would take {bytes.Length} bytes, and {LargestFile} are the most that is read back. Give branches shorter names.") { Path = RunFolder.Record };
    }

    /// <summary>Reads the record; <see langword="null"/> when the run has none yet.</summary>
    /// <exception cref="CorruptCheckpointException">The file is there and cannot be understood.</exception>
    public static RunRecord? Load(IFileSource files)
    {
        if (!files.FileExists(RunFolder.Record))
            return null;
        return Parse(SmallFile.Read(files, RunFolder.Record, LargestFile), files.Root);
    }

    /// <summary>Reads the record from its JSON.</summary>
    /// <exception cref="CorruptCheckpointException">It cannot be understood.</exception>
    internal static RunRecord Parse(ReadOnlyMemory<byte> bytes, string root)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes);
            JsonElement json = document.RootElement;
            int format = json.GetProperty("format").GetInt32();
            if (format is < 1 or > Format)
                throw new FormatException($"format {format}; this version of Cairn reads up to {Format}");
            return new RunRecord(
                json.GetProperty("run").GetString() ?? throw new FormatException("'run' is null"),
                json.GetProperty("created").GetDateTimeOffset(),
                LineageJson.Read(json),
                json.TryGetProperty("parent", out JsonElement parent)
                    ? new RunOrigin(parent.GetProperty("run").GetString() ?? "", parent.GetProperty("step").GetInt64())
                    : null)
            {
                Finished = json.TryGetProperty("finished", out JsonElement end)
                    ? new RunEnd(end.GetProperty("step").GetInt64(), end.GetProperty("branch").GetInt32(), end.GetProperty("reason").GetString() is { } reason && !string.IsNullOrWhiteSpace(reason) ? reason : "for a reason that is not recorded",
                        end.TryGetProperty("total_steps", out JsonElement total) ? total.GetInt64() : null)
                    : null,
            };
        }
        catch (Exception e) when (RunFolder.IsMalformed(e))
        {
            throw new CorruptCheckpointException($"{RunFolder.Record} in {root} cannot be understood ({e.Message}).", e) { Path = RunFolder.Record };
        }
    }

    /// <summary>Reads the record; where it is missing or damaged it is rebuilt from the history that every marker carries. <see langword="null"/> when there is neither.</summary>
    /// <param name="files">The run.</param>
    /// <param name="catalog">What stands in it.</param>
    /// <param name="isStored">Whether the record was read as it stands.</param>
    /// <exception cref="CorruptCheckpointException">The file is damaged, and there is no marker.</exception>
    public static RunRecord? LoadOrRebuild(IFileSource files, Catalog catalog, out bool isStored)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        CorruptCheckpointException? damage = null;
        isStored = false;
        try
        {
            if (Load(files) is { } record)
            {
                isStored = true;
                return record;
            }
        }
        catch (CorruptCheckpointException e)
        {
            damage = e;
        }
        Marker? newest = catalog.Entries.Select(entry => entry.Marker).OfType<Marker>().Where(marker => !marker.IsDerived)
            .MaxBy(marker => (marker.Lineage.Branches.Max(branch => branch.Id), marker.Step));
        if (newest is not null)
            return new RunRecord(newest.Run, newest.Time, newest.Lineage, null);
        return damage is null ? null : throw damage;
    }
}
