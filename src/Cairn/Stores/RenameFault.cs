namespace Cairn.Stores;

/// <summary>Why a file system refused a rename or an exchange.</summary>
internal static class RenameFault
{
    private const int WindowsNotSameDevice = unchecked((int)0x80070011);

    /// <summary>
    /// Whether the two places are not on one file system. So say links and mounts to another disk, and overlays of a folder that stands in a lower layer: its
    /// files can be read and removed, but the folder cannot be renamed.
    /// </summary>
    public static bool IsAcrossFileSystems(IOException e) => e.HResult is UnixCalls.CrossDevice or WindowsNotSameDevice;

    /// <summary>Whether the file system there has no such operation.</summary>
    public static bool IsUnsupported(IOException e) => IsUnsupported(e.HResult);

    /// <summary>As above, of an error number.</summary>
    public static bool IsUnsupported(int error) => error == UnixCalls.InvalidArgument || error == UnixCalls.NotImplemented || error == UnixCalls.NotSupported;
}
