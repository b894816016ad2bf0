using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Layouts;

/// <summary>The files of a copy as a layout planned them, found to be files that can be written, told apart and opened again. A layout may be anybody's.</summary>
/// <param name="Files">The files.</param>
/// <param name="Bytes">Bytes of all of them.</param>
internal sealed record FilePlan(IReadOnlyList<PlannedFile> Files, long Bytes)
{
    /// <summary>No file.</summary>
    public static FilePlan Empty { get; } = new([], 0);

    /// <summary>Takes a plan.</summary>
    /// <param name="layout">Whose it is.</param>
    /// <param name="step">The step.</param>
    /// <param name="planned">What the layout gave.</param>
    /// <param name="mayBeEmpty">Whether there may be no file: in a job, a rank may have nothing to save.</param>
    /// <exception cref="CheckpointException">It is no plan.</exception>
    public static FilePlan Of(ICheckpointLayout layout, long step, IReadOnlyList<PlannedFile>? planned, bool mayBeEmpty)
    {
        PlannedFile[] files = [.. planned ?? throw Wrong(layout, "gave no list of files")];
        if (files.Length == 0 && !mayBeEmpty)
            throw Wrong(layout, "gave no file, so nothing would be saved");
        long bytes = 0;
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (PlannedFile? file in files)
        {
            if (file?.Name is not { } name)
                throw Wrong(layout, "gave a file without a name");
            if (!StorePath.IsName(name) || name[0] == Marker.AttemptStart || name == layout.MarkerName(step))
                throw Wrong(layout, $"named a file '{name}', and a file of a copy cannot have this name");
            if (!names.Add(name))
                throw Wrong(layout, $"named two files '{name}'");
            long length = file.Length;
            if (length < 0)
                throw Wrong(layout, $"gave '{name}' a length of {length} bytes");
            bytes += length;
        }
        return new FilePlan(files, bytes);
    }

    private static CheckpointException Wrong(ICheckpointLayout layout, string what) => new($"The layout '{layout.Name}' {what}. Nothing is saved in it until {layout.GetType()} is fixed.");
}
