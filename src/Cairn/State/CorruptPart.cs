namespace Cairn.State;

/// <summary>What is said of a file that is no good part of a checkpoint.</summary>
internal static class CorruptPart
{
    // A hostile name may be as long as the file.
    public static string Shorten(string text) => text.Length <= 200 ? text : string.Concat(text.AsSpan(0, 200), "…");

    public static CorruptCheckpointException Because(string path, string what, string expected, string found, Exception? cause = null) =>
        new($"'{path}' is not a good part of a checkpoint: {what}. Expected {expected}, found {Shorten(found)}. Restore the file from a copy, or resume from another checkpoint.", cause)
        {
            Path = path,
            Expected = expected,
            Found = Shorten(found),
        };
}
