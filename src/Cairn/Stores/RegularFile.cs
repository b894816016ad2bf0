using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>
/// Opens files, and only regular ones: opening a named pipe waits for its other end, and reading a device may never end. What a path names is
/// checked on the open handle, so that nothing can be put in its place in between. Every file that Cairn opens by its path goes through here.
/// </summary>
internal static class RegularFile
{
    /// <summary>Opens for reading. Others may write, rename and remove the file meanwhile.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="NotRegularFileException">Something else than a regular file stands there.</exception>
    public static SafeFileHandle OpenRead(string path)
    {
        if (!OperatingSystem.IsWindows())
            return OpenExisting(path, UnixCalls.ReadOnly);
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (DirectoryNotFoundException e)
        {
            throw new FileNotFoundException(e.Message, path, e);
        }
    }

    /// <summary>Opens for reading, as a stream.</summary>
    /// <inheritdoc cref="OpenRead"/>
    public static FileStream OpenStream(string path) => new(OpenRead(path), FileAccess.Read);

    /// <summary>Opens for writing what exists, or makes it. Content that exists stays.</summary>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
    /// <inheritdoc cref="OpenRead"/>
    public static SafeFileHandle OpenWrite(string path, out bool made) => OperatingSystem.IsWindows()
        ? OpenWindows(path, FileShare.Read | FileShare.Delete, out made)
        : OpenOrMake(path, UnixCalls.WriteOnly, out made);

    /// <summary>Opens for reading and writing what exists, or makes it.</summary>
    /// <inheritdoc cref="OpenWrite"/>
    public static SafeFileHandle OpenReadWrite(string path) => OpenOrMake(path, UnixCalls.ReadWrite, out _);

    /// <summary>Opens for reading and writing what exists. On Unix only.</summary>
    /// <inheritdoc cref="OpenRead"/>
    public static SafeFileHandle OpenForUpdate(string path) => OpenExisting(path, UnixCalls.ReadWrite);

    /// <summary>Opens for writes that each go to the end, whoever else writes; makes the file when there is none. On Unix only.</summary>
    /// <inheritdoc cref="OpenWrite"/>
    public static SafeFileHandle OpenAppend(string path, out bool made) => OpenOrMake(path, UnixCalls.WriteOnly | UnixCalls.AppendFlag, out made);

    /// <summary>The whole content of a small file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="largest">Most bytes that are read.</param>
    /// <exception cref="IOException">Among others: the file is larger.</exception>
    /// <inheritdoc cref="OpenRead"/>
    public static byte[] ReadAll(string path, int largest)
    {
        using SafeFileHandle handle = OpenRead(path);
        long length = RandomAccess.GetLength(handle);
        if (length > largest)
            throw new IOException($"'{path}' has {length} bytes; at most {largest} are expected.");
        byte[] bytes = new byte[length];
        int total = 0;
        while (total < bytes.Length && RandomAccess.Read(handle, bytes.AsSpan(total), total) is > 0 and var read)
            total += read;
        return bytes[..total];
    }

    private static SafeFileHandle OpenWindows(string path, FileShare share, out bool made)
    {
        made = !File.Exists(path);
        return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write, share);
    }

    private static SafeFileHandle OpenOrMake(string path, int flags, out bool made)
    {
        made = false;
        while (true)
        {
            try
            {
                return OpenExisting(path, flags);
            }
            catch (FileNotFoundException)
            {
                made = Make(path);
            }
        }
    }

    // Exclusively: what another process put there in the meantime is opened like any other.
    private static bool Make(string path)
    {
        try
        {
            // A link to a file that is not there yet counts as one that exists.
            FileMode mode = new FileInfo(path).LinkTarget is null ? FileMode.CreateNew : FileMode.OpenOrCreate;
            File.OpenHandle(path, mode, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete).Dispose();
            return true;
        }
        catch (IOException e) when (e is not DirectoryNotFoundException && (File.Exists(path) || Directory.Exists(path)))
        {
            return false;
        }
    }

    private static SafeFileHandle OpenExisting(string path, int flags)
    {
        SafeFileHandle handle;
        try
        {
            handle = UnixCalls.Open(path, flags | UnixCalls.NonBlocking | UnixCalls.NoTerminal);
        }
        catch (Exception e) when (e is (IOException or UnauthorizedAccessException) and not FileNotFoundException)
        {
            // Sockets cannot be opened, folders not for writing, and pipes not while nobody reads.
            if (FileStatus.At(path) is { Kind: not FileKind.Regular and var kind })
                throw new NotRegularFileException(path, kind);
            throw;
        }
        try
        {
            FileStatus status = FileStatus.Of(handle, path);
            return status.Kind == FileKind.Regular ? handle : throw new NotRegularFileException(path, status.Kind);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }
}

/// <summary>Something else than a regular file stands where one is expected. It was not read or written.</summary>
internal sealed class NotRegularFileException(string path, FileKind kind)
    : IOException($"'{path}' is {NameOf(kind)} and not a regular file, and was not opened. Remove it, or give another path.")
{
    /// <summary>What stands there.</summary>
    public FileKind Kind => kind;

    private static string NameOf(FileKind kind) => kind switch
    {
        FileKind.Folder => "a folder",
        FileKind.Pipe => "a named pipe",
        FileKind.Socket => "a socket",
        FileKind.CharacterDevice => "a character device",
        FileKind.BlockDevice => "a block device",
        _ => "something special",
    };
}
