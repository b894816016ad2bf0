using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>The pins of a run at one moment. Whoever removes a copy or lets it lose its name reads them after it has done so and before the bytes go, so that a pin which was there first is always seen.</summary>
internal sealed class CopyPins
{
    private const int LargestPin = 64 << 10;

    private readonly ILookup<long, CheckpointPin> _bySteps;

    private CopyPins(IReadOnlyList<CheckpointPin> all, IReadOnlyList<CheckpointPin> over) => (All, Over, _bySteps) = (all, over, all.ToLookup(pin => pin.Step));

    /// <summary>Those that count, the oldest first.</summary>
    public IReadOnlyList<CheckpointPin> All { get; }

    /// <summary>Those whose time is over.</summary>
    public IReadOnlyList<CheckpointPin> Over { get; }

    /// <summary>Reads those that count now.</summary>
    /// <inheritdoc cref="Read(IFileSource, DateTimeOffset)"/>
    public static CopyPins Read(IFileSource files) => Read(files, TimeProvider.System.GetUtcNow());

    /// <summary>Reads them.</summary>
    /// <exception cref="IOException">They cannot be listed: nothing may be removed then.</exception>
    public static CopyPins Read(IFileSource files, DateTimeOffset now)
    {
        var pins = new List<CheckpointPin>();
        foreach (FileSystemEntry file in files.List(RunFolder.Pins))
        {
            if (!file.IsFolder && CheckpointPin.OfName(file.Name) is { } name && ReadOne(files, file.Name, name.Step, name.Id) is { } pin)
                pins.Add(pin);
        }
        return new CopyPins([.. pins.Where(pin => !pin.IsOver(now)).OrderBy(pin => pin.CreatedAt).ThenBy(pin => pin.Id, StringComparer.Ordinal)], [.. pins.Where(pin => pin.IsOver(now))]);
    }

    /// <summary>The pins of a copy, wherever it stands now.</summary>
    public IEnumerable<CheckpointPin> Of(CatalogEntry entry) => _bySteps[entry.Step].Where(pin => pin.Marker is null || pin.Marker == DigestOf(entry));

    /// <summary>Whether somebody needs a copy.</summary>
    public bool Hold(CatalogEntry entry) => Of(entry).Any();

    /// <summary>What a pin knows a copy by.</summary>
    public static string DigestOf(CatalogEntry entry) => ChunkHashes.Text(entry.MarkerDigest);

    private static CheckpointPin? ReadOne(IFileSource files, string name, long step, string id)
    {
        try
        {
            return CheckpointPin.Read(step, id, SmallFile.Read(files, $"{RunFolder.Pins}/{name}", LargestPin));
        }
        catch (FileNotFoundException)
        {
            // Released meanwhile.
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CorruptCheckpointException)
        {
            return CheckpointPin.Unreadable(step, id);
        }
    }
}
