using System.Text;
using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Stopping;

/// <summary>
/// The run's file <c>command</c>, which anybody may write in any way. A command counts once its line is ended; without the line's end once it has not
/// grown for a while. It is taken by a rename, so that what is written while it is being read is not lost with it. Not for several threads at once.
/// </summary>
internal sealed class CommandFile(IRunFiles files, TimeProvider time)
{
    /// <summary>A command that was taken and not read to its end yet.</summary>
    public const string Taken = RunFolder.Command + ".taken";

    private const int LargestCommand = 4096;
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(2);

    private string _seen = "";
    private long _seenAt;

    /// <summary>Whether a whole command is there to be taken.</summary>
    public bool IsWhole() => IsWhole(Text(files.FileExists(Taken) ? Taken : RunFolder.Command));

    /// <summary>Takes a command away.</summary>
    /// <param name="asItIs">Whether one that is not whole is taken too, for nobody comes back for the rest.</param>
    /// <returns>Its text; <see langword="null"/> when there is none.</returns>
    public string? Take(bool asItIs)
    {
        if (!files.FileExists(Taken))
        {
            // Whoever made an empty file is about to write it.
            if (Text(RunFolder.Command) is not { } found || (found.Length == 0 && !asItIs))
                return null;
            files.Move(RunFolder.Command, Taken);
        }
        string text = Text(Taken) ?? "";
        if (!asItIs && !IsWhole(text))
            return null;
        files.DeleteFile(Taken);
        _seen = "";
        return text.Length == 0 ? null : text;
    }

    private bool IsWhole(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return false;
        if (text.EndsWith('\n') || text.Length >= LargestCommand)
            return true;
        if (text == _seen)
            return time.GetElapsedTime(_seenAt) >= Settled;
        (_seen, _seenAt) = (text, time.GetTimestamp());
        return false;
    }

    private string? Text(string path)
    {
        if (!files.FileExists(path))
            return null;
        using IReadableFile file = files.OpenRead(path);
        byte[] bytes = new byte[Math.Min(file.Length, LargestCommand)];
        return Encoding.UTF8.GetString(bytes, 0, file.Read(0, bytes));
    }
}
