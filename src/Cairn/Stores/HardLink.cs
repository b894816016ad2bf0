namespace Cairn.Stores;

/// <summary>Second names for files of a Unix file system. On Windows there are none here.</summary>
internal static class HardLink
{
    /// <summary>What tells a regular file from others and from itself after it was written to; <see langword="null"/> when there is none, or a symbolic link, and on Windows.</summary>
    public static FileIdentity? Identify(string path) => FileStatus.At(path) is { Kind: FileKind.Regular } status && new FileInfo(path).LinkTarget is null ? status.Identity : null;

    /// <summary>Gives a file a second name, if it is still this one.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The name. A file that had it loses it.</param>
    /// <param name="expected">The file as it was.</param>
    public static LinkOutcome Make(string file, string name, FileIdentity expected)
    {
        if (OperatingSystem.IsWindows())
            return LinkOutcome.Unsupported;
        File.Delete(name);
        switch (UnixCalls.Link(file, name))
        {
            // Looked at afterwards: between a look before and the link it could become another file.
            case 0 when Identify(name) == expected:
                return LinkOutcome.Linked;
            case 0:
                File.Delete(name);
                return LinkOutcome.NotThisOne;
            case var error when RenameFault.IsUnsupported(error):
                return LinkOutcome.Unsupported;
            // Of this file, which may be protected, or of all: file systems without links say the same.
            case UnixCalls.NotPermitted when !IsPossible(name):
                return LinkOutcome.Unsupported;
            default:
                return LinkOutcome.NotThisOne;
        }
    }

    private static bool IsPossible(string beside)
    {
        string first = $"{beside}.{Guid.NewGuid():N}", second = first + ".link";
        try
        {
            File.WriteAllBytes(first, []);
            return UnixCalls.Link(first, second) == 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        finally
        {
            File.Delete(first);
            File.Delete(second);
        }
    }
}
