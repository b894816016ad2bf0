namespace Cairn.Checkpoints;

/// <summary>Why a checkpoint cannot be used.</summary>
/// <param name="Folder">The checkpoint's folder.</param>
/// <param name="Path">The file at fault, relative to the run; the folder itself when no one file is.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record CheckpointFault(string Folder, string Path, string Reason)
{
    /// <summary>Whether nothing is wrong with the copy: it was replaced or removed while it was read, by the training that writes the run. List the run again.</summary>
    public bool IsTransient { get; init; }

    internal static CheckpointFault Changed(string folder) =>
        new(folder, folder, "the copy was replaced or removed while it was read") { IsTransient = true };

    /// <summary>What kept a copy from being read.</summary>
    internal static CheckpointFault Unread(string folder, string path, Exception cause, string before = "") =>
        new(folder, path, before + cause.Message) { IsUnanswered = cause is IOException and not FileNotFoundException and not DirectoryNotFoundException or UnauthorizedAccessException };

    /// <summary>Whether a read was refused. On a disk that is damage; a store may only have failed to answer.</summary>
    internal bool IsUnanswered { get; init; }

    /// <summary>The copy's step, where it is known.</summary>
    internal long? Step { get; init; }

    /// <summary>Whether nothing is wrong with the copy but that another run saved it.</summary>
    internal bool IsOfOtherRun { get; init; }

    /// <summary>Whether nothing is wrong with the copy but that it lacks what is asked for: its optimizer went to save space.</summary>
    internal bool Lacks { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Path}: {Reason}";
}
