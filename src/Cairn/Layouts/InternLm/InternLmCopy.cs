using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// The one judgement of a folder that InternLM wrote, which every reader goes by: what a marker of Cairn would say of it, and whether its files are what they should
/// be. All must be there that anything in the folder tells of, and all must be of one step.
/// </summary>
internal static class InternLmCopy
{
    /// <summary>The names of a folder that InternLM has written.</summary>
    public static bool IsOne(IEnumerable<string> fileNames) => fileNames.Any(name => InternLmFileName.TryParse(name, out InternLmFileName? file) && file.Kind == InternLmFileKind.Model);

    /// <summary>Whether the marker of a step is whole and InternLM's.</summary>
    /// <exception cref="IOException">It could not be opened or read.</exception>
    public static bool IsMarked(IFileSource files, string folder, long step)
    {
        using var own = new InternLmFiles(files, folder);
        try
        {
            return StepWitnesses.MarkedStep(own, step) == step;
        }
        catch (CorruptCheckpointException)
        {
            return false;
        }
    }

    /// <summary>Judges a folder and derives a marker. Of the tensors only samples are read.</summary>
    /// <param name="files">The file system.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="kind">The tier.</param>
    /// <param name="step">The step by the marker's name; <see langword="null"/> for weights without a marker.</param>
    /// <exception cref="CorruptCheckpointException">The folder is not whole, or its files contradict each other.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    public static Marker Describe(IFileSource files, string folder, SaveKind kind, long? step)
    {
        using InternLmCheckpoint checkpoint = Open(files, folder, kind, step, out Marker marker);
        return marker;
    }

    /// <summary>Judges a folder as <see cref="Describe"/> does, and leaves it open.</summary>
    /// <inheritdoc cref="Describe"/>
    public static InternLmCheckpoint Open(IFileSource files, string folder, SaveKind kind, long? step, out Marker marker)
    {
        FileSystemEntry[] entries = [.. files.List(folder).Where(entry => !entry.IsFolder)];
        var checkpoint = new InternLmCheckpoint(files, folder, entries.Select(entry => entry.Name));
        try
        {
            using var own = new InternLmFiles(files, folder);
            if (step is null && checkpoint.Folder.IsTraining)
                throw RankTensors.Bad(own.Folder, "there is no .step file: the save did not end");
            StateMap? context = checkpoint.Has(InternLmCheckpoint.Context) ? checkpoint.Load(InternLmCheckpoint.Context) : null;
            if (step is { } named)
                StepWitnesses.CheckMarker(own, named, context);
            bool isPermanent = kind == SaveKind.Checkpoint && RunFolder.IsStep(folder[(folder.LastIndexOf('/') + 1)..], out long number) && number == step;
            StepWitnesses.CheckOptimizer(checkpoint, own, isPermanent, context);
            checkpoint.Check(isSample: true);
            marker = MarkerOf(checkpoint.Folder, entries, kind, step ?? (context is null ? null : StepWitnesses.Counted(context)) ?? 0, context);
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Compares every record of some files with its checksum, and the weights in them with those that the optimizer trains. <see langword="null"/> when all is good.
    /// </summary>
    /// <exception cref="CopyChangedException">The copy was replaced or removed while it was read.</exception>
    public static CheckpointFault? Verify(IFileSource files, string folder, Marker marker, IEnumerable<MarkedFile> some, CancellationToken cancellationToken)
    {
        try
        {
            var names = new HashSet<string>(StringComparer.Ordinal);
            using var opened = new InternLmFiles(files, folder);
            foreach (MarkedFile file in some)
            {
                if (!InternLmFileName.TryParse(file.Name, out InternLmFileName? name))
                    continue;
                names.Add(file.Name);
                try
                {
                    opened.Open(name).Verify(cancellationToken);
                }
                catch (Exception e) when (e is CheckpointException and not CopyChangedException or IOException or UnauthorizedAccessException)
                {
                    return CheckpointFault.Unread(folder, $"{folder}/{file.Name}", e);
                }
            }
            using InternLmCheckpoint checkpoint = Open(files, folder, marker.Kind, marker.Files.Any(file => file.Name == Marker.FileName(marker.Step)) ? marker.Step : null, out _);
            foreach (string part in checkpoint.Parts)
                checkpoint.Load(part);
            checkpoint.Check(isSample: false, names, cancellationToken);
            return null;
        }
        catch (Exception e) when (e is CheckpointException and not CopyChangedException or IOException or UnauthorizedAccessException)
        {
            return CheckpointFault.Unread(folder, folder, e);
        }
    }

    private static Marker MarkerOf(InternLmFolder sizes, FileSystemEntry[] entries, SaveKind kind, long step, StateMap? context) => new()
    {
        Step = step,
        Kind = kind,
        Reason = kind == SaveKind.Snapshot ? SaveReason.Snapshot : SaveReason.Interval,
        Layout = InternLmLayout.LayoutName,
        IsDerived = true,
        Run = InternLmLayout.LayoutName,
        Lineage = Lineage.New,
        Time = DateTimeOffset.UnixEpoch,
        World = new World(sizes.JobTp, sizes.Pp, sizes.Dp, sizes.Dp % sizes.Zo == 0 ? sizes.Zo : sizes.Dp),
        Train = context ?? new StateMap { { StepWitnesses.BatchCount, step - 1 }, { StepWitnesses.StepCount, step } },
        Files = [.. entries.Where(entry => InternLmFileName.TryParse(entry.Name, out _)).Select(entry => new MarkedFile(entry.Name, entry.Length, ChunkHashes.None))],
    };
}
