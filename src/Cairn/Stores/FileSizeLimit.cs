using System.Runtime.InteropServices;

namespace Cairn.Stores;

/// <summary>
/// A limit of the size of files (<c>ulimit -f</c>) sends a signal that ends the process by default. Once it is heard, the write fails instead, with an error like that of a full disk.
/// </summary>
internal static class FileSizeLimit
{
    // .NET has no name for SIGXFSZ; the number is that of Linux and macOS.
    private const PosixSignal FileSizeExceeded = (PosixSignal)25;

    private static readonly PosixSignalRegistration? Registration = OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()
        ? PosixSignalRegistration.Create(FileSizeExceeded, context => context.Cancel = true) : null;

    /// <summary>Makes it an error, for the life of the process.</summary>
    public static void MakeError() => GC.KeepAlive(Registration);
}
