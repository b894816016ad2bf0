using System.CommandLine;
using Cairn.Layouts;

namespace Cairn.Cli;

/// <summary><c>--strict</c>: a folder whose index and files disagree is refused, where it is else read with a note of what was chosen.</summary>
internal static class StrictChoice
{
    /// <summary>The option, for the verbs that read checkpoints.</summary>
    public static Option<bool> Option() => new("--strict") { Description = "Refuse a folder whose index and files disagree, instead of reading what is clear with a note." };

    /// <summary>What was opened.</summary>
    /// <exception cref="CheckpointException">It is strict, and the files disagree.</exception>
    public static LoadedCheckpoint Checked(LoadedCheckpoint opened, string path, bool isStrict)
    {
        if (!isStrict || opened.Disagreements.Count == 0)
            return opened;
        opened.Dispose();
        throw new CheckpointException($"{path} is not taken with --strict: {string.Join("; ", opened.Disagreements)}.") { Path = path };
    }
}
