using Cairn.Stores;

namespace Cairn.Stopping;

/// <summary>Reads the stop file, which may stand anywhere on this machine and may be written at any moment.</summary>
internal static class StopFile
{
    private const int MostCharacters = 4096;

    /// <summary>The command in the file; never throws for what the file is or is not.</summary>
    public static StopCommand Read(string path)
    {
        try
        {
            if (!File.Exists(path))
                return StopCommand.Parse(null);
            using var reader = new StreamReader(RegularFile.OpenStream(path));
            Span<char> text = stackalloc char[MostCharacters];
            return StopCommand.Parse(text[..reader.ReadBlock(text)].ToString());
        }
        catch (FileNotFoundException)
        {
            return StopCommand.Parse(null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new StopCommand(StopAction.Unreadable, Problem: $"The stop file {path} cannot be read: {e.Message}");
        }
    }
}
