using Cairn.Formats.Torch;

namespace Cairn.Cli.Verification;

/// <summary>Errors that say nothing of the bytes: no permission, no handle left, or a kind of file or value that is not read.</summary>
internal static class Unreadable
{
    private const int TooManyOpenFiles = 24, TooManyOpenFilesInSystem = 23;

    /// <summary>Whether an error is one of them, so that nothing is known to be damaged.</summary>
    public static bool Is(Exception e) => e is UnauthorizedAccessException or ForbiddenPickleException or UnreadValueException
        or CorruptTorchFileException { IsUnsupported: true } or IOException { HResult: TooManyOpenFiles or TooManyOpenFilesInSystem };
}
