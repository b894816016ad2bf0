using System.Globalization;
using Cairn.Commit;
using Cairn.Formats.Torch;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.State;
using Cairn.Storage;

namespace Cairn.Layouts.InternLm;

/// <summary>What a marker of Cairn would say of a folder that InternLM wrote, and whether its files are what they should be.</summary>
internal static class ForeignCopy
{
    private const string StepCount = "step_count", BatchCount = "batch_count";

    /// <summary>The names of a folder that InternLM has written.</summary>
    public static bool IsOne(IEnumerable<string> fileNames) => fileNames.Any(name => InternLmFileName.TryParse(name, out InternLmFileName? file) && file.Kind == InternLmFileKind.Model);

    /// <summary>
    /// Derives a marker. The step file and the counters are read, and of the others their names: all must be there that the job's sizes ask for.
    /// </summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="kind">The tier.</param>
    /// <param name="step">The step by the marker's name; <see langword="null"/> for weights without a marker.</param>
    /// <exception cref="CorruptCheckpointException">The folder is not whole, or its files contradict each other.</exception>
    public static Marker Describe(IFileSystem files, string folder, SaveKind kind, long? step)
    {
        FileSystemEntry[] entries = [.. files.List(folder).Where(entry => !entry.IsFolder)];
        var sizes = new InternLmFolder(entries.Select(entry => entry.Name));
        if (!sizes.HasModel)
            throw RankTensors.Bad(folder, "it has no model_tp0_pp0.pt");
        using var checkpoint = new ForeignCheckpoint(files, folder, entries.Select(entry => entry.Name));
        StateMap? context = checkpoint.Has(ForeignCheckpoint.Context) ? checkpoint.Load(ForeignCheckpoint.Context) : null;
        long? counted = context is null ? null : Number(context, StepCount) ?? Number(context, BatchCount) + 1;
        if (step is { } named)
        {
            using var own = new InternLmFiles(files, folder);
            long? marked = (own.OpenMap(new(InternLmFileKind.Step) { Step = named }).Find("step") as TorchScalar)?.Value as long?;
            if (marked != named)
                throw RankTensors.Bad(folder, $"its {Marker.FileName(named)} is of step {marked?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}");
            // InternLM overwrites a snapshot in place and leaves the marker of the older one: a crash then leaves files of both.
            if (context is not null && counted != named)
                throw RankTensors.Bad(folder, $"its counters are of step {counted?.ToString(CultureInfo.InvariantCulture) ?? "unknown"} and its marker of step {named}: InternLM was interrupted while it overwrote an older copy");
        }
        long found = step ?? counted ?? 0;
        return new Marker
        {
            Step = found,
            Kind = kind,
            Reason = kind == SaveKind.Snapshot ? SaveReason.Snapshot : SaveReason.Interval,
            Layout = InternLmLayout.LayoutName,
            IsForeign = true,
            Run = InternLmLayout.LayoutName,
            Lineage = Lineage.New,
            Time = DateTimeOffset.UnixEpoch,
            World = new World(sizes.Tp, sizes.Pp, sizes.Dp, sizes.Dp % sizes.Zo == 0 ? sizes.Zo : sizes.Dp),
            Train = context ?? new StateMap { { BatchCount, found - 1 }, { StepCount, found } },
            Files = [.. entries.Where(entry => InternLmFileName.TryParse(entry.Name, out _)).Select(entry => new MarkedFile(entry.Name, entry.Length, ""))],
        };
    }

    /// <summary>Compares every record of some files with its checksum, and puts model and optimizer together, so that what does not fit shows. <see langword="null"/> when all is good.</summary>
    /// <exception cref="CopyChangedException">The copy was replaced or removed while it was read.</exception>
    public static CheckpointFault? Verify(IFileSystem files, string folder, Marker marker, IEnumerable<MarkedFile> some, CancellationToken cancellationToken)
    {
        try
        {
            using var opened = new InternLmFiles(files, folder);
            foreach (MarkedFile file in some)
            {
                if (!InternLmFileName.TryParse(file.Name, out InternLmFileName? name))
                    continue;
                try
                {
                    opened.Open(name).Verify(cancellationToken);
                }
                catch (Exception e) when (e is CheckpointException and not CopyChangedException or IOException or UnauthorizedAccessException)
                {
                    return new CheckpointFault(folder, $"{folder}/{file.Name}", e.Message);
                }
            }
            using var checkpoint = new ForeignCheckpoint(files, folder, marker.Files.Select(file => file.Name));
            foreach (string part in checkpoint.Parts)
                checkpoint.Load(part);
            return null;
        }
        catch (Exception e) when (e is CheckpointException and not CopyChangedException or IOException or UnauthorizedAccessException)
        {
            return new CheckpointFault(folder, folder, e.Message);
        }
    }

    private static long? Number(StateMap map, string key) => map.TryGetValue(key, out StateNode? node) && node is StateScalar { Value: long value } ? value : null;
}
