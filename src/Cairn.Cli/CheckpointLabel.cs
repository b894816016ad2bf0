using Cairn.Layouts;

namespace Cairn.Cli;

/// <summary>What was opened, in a few words.</summary>
internal static class CheckpointLabel
{
    /// <summary>The path as it was given, what stands there, and the step where it is known.</summary>
    public static string Of(LoadedCheckpoint checkpoint, string path)
    {
        if (checkpoint.Source is not { } source)
            return path;
        string step = source.Step is { } number ? $", step {Output.Units.Plain(number)}" : "";
        return $"{path} ({source.Marker?.Layout ?? source.Layout}{step})";
    }
}
