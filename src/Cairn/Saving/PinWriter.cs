using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>
/// Pins copies of a run that another process may train. The pin is written first, and then it is looked whether the copy still stands: whoever removes one looks for pins after it has lost its name
/// (<see cref="RenamePublisher"/>) or after it is said that it goes (<see cref="MarkerPublisher"/>). So one of the two always sees the other.
/// </summary>
internal sealed class PinWriter(IRunFiles files, TimeProvider time)
{
    /// <summary>Pins a copy.</summary>
    /// <param name="entry">The copy; complete.</param>
    /// <param name="why">What for.</param>
    /// <param name="timeToLive">For how long; <see langword="null"/> until the pin is released.</param>
    /// <exception cref="CopyChangedException">The copy is being removed or replaced.</exception>
    /// <exception cref="IOException">The run may not be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The run may not be written.</exception>
    public CheckpointPin Pin(CatalogEntry entry, string? why, TimeSpan? timeToLive)
    {
        DateTimeOffset now = time.GetUtcNow();
        var pin = new CheckpointPin
        {
            Step = entry.Step,
            Kind = entry.Kind,
            Id = Guid.NewGuid().ToString("N")[..12],
            Marker = CopyPins.DigestOf(entry),
            By = $"{Environment.UserName}@{Environment.MachineName}",
            Why = why,
            CreatedAt = now,
            ExpiresAt = now + timeToLive,
        };
        Put(pin);
        if (Stands(entry))
            return pin;
        Release(pin);
        throw entry.Changed();
    }

    /// <summary>Makes a pin last longer.</summary>
    public CheckpointPin Renew(CheckpointPin pin, TimeSpan timeToLive)
    {
        CheckpointPin renewed = pin with { ExpiresAt = time.GetUtcNow() + timeToLive };
        Put(renewed);
        return renewed;
    }

    /// <summary>Takes a pin back.</summary>
    public void Release(CheckpointPin pin) => files.DeleteFile(pin.Path);

    private void Put(CheckpointPin pin)
    {
        if (files is IFileSystem disk && !disk.FolderExists(RunFolder.Pins))
        {
            disk.CreateFolder(RunFolder.Pins);
            disk.SyncFolder("");
        }
        files.Put(pin.Path, pin.ToJson(), durable: pin.ExpiresAt is null);
    }

    private bool Stands(CatalogEntry entry)
    {
        CatalogEntry now = entry.Kind == SaveKind.Snapshot ? Catalog.Snapshot(files, entry.Folder) : CatalogEntry.At(files, entry.Folder, entry.Kind, entry.Step);
        if (now.MarkerDigest != entry.MarkerDigest)
            return false;
        // It is about to lose its optimizer, unless the process that began this is gone.
        if (files.FileExists($"{entry.Folder}/{WeightsOnly.IntentOf(entry.Step)}") && RunLiveness.Of(files).IsAlive != false)
            return false;
        // In a store a snapshot's marker stands beside the one that is about to replace it.
        return files is not StoreFiles
            || (!SaveIntents.IsRetired(files, entry.Folder) && files.List(entry.Folder).Count(static file => !file.IsFolder && file.Name.EndsWith(".step", StringComparison.Ordinal)) == 1);
    }
}
