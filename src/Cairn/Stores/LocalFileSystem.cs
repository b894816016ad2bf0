using System.IO.Enumeration;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>
/// A folder of this machine, or one that is shared and mounted. Works on Linux, macOS and Windows; all members may be called
/// from any thread. Paths that lead out of the root are refused with an <see cref="ArgumentException"/>.
/// On Windows, <see cref="SyncFolder"/> does nothing (NTFS keeps its entries in order itself) and <see cref="CanExchange"/>
/// is <see langword="false"/>.
/// </summary>
internal sealed class LocalFileSystem : IFileSystem
{
    private static readonly EnumerationOptions AllEntries = new() { AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false };

    private static readonly EnumerationOptions WholeTree = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };

    // What is shorter costs as much either way: the wait for the disk.
    private const long DirectFrom = 4L << 20;
    private const long TrialBytes = 256L << 20;

    private readonly Lock _probing = new();
    private bool? _canExchange, _isDirect;

    /// <summary>The file system below this folder. It need not exist yet; <see cref="CreateFolder"/> of the empty path makes it.</summary>
    public LocalFileSystem(string root)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        Root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
    }

    /// <summary>The root as an absolute path.</summary>
    public string Root { get; }

    /// <summary>Whether large files are written past the page cache. A run may have it tried out; for a file or two that would cost more than it tells.</summary>
    public DirectIO DirectIO { get; init; } = DirectIO.Always;

    /// <summary>Whether folders can be swapped atomically here. Tried out once, on the first call at which the root exists.</summary>
    public bool CanExchange
    {
        get
        {
            lock (_probing)
            {
                if (_canExchange is null && Directory.Exists(Root))
                    _canExchange = ExchangeProbe.Run(Root);
                return _canExchange ?? false;
            }
        }
    }

    /// <inheritdoc/>
    public long? AvailableBytes() => AvailableBytes("");

    /// <inheritdoc/>
    public long? AvailableBytes(string folder)
    {
        while (folder.Length > 0 && !FolderExists(folder))
            folder = StorePath.Parent(folder);
        return DiskSpace.AvailableAt(Full(folder, allowRoot: true));
    }

    /// <inheritdoc/>
    public long ReclaimableBytes(string folder)
    {
        string path = Full(folder, allowRoot: true);
        if (!Directory.Exists(path))
            return 0;
        return new DirectoryInfo(path).EnumerateFiles("*", WholeTree).Sum(static file => FileStatus.At(file.FullName) switch
        {
            null => file.Length,
            { Links: > 1 } => 0,
            { } status => status.Allocated,
        });
    }

    /// <inheritdoc/>
    public IReadOnlyList<FileSystemEntry> List(string folder)
    {
        string path = Full(folder, allowRoot: true);
        try
        {
            return
            [
                .. new FileSystemEnumerable<FileSystemEntry>(path, static (ref entry) =>
                {
                    bool isFolder = entry.IsDirectory;
                    return new FileSystemEntry(entry.FileName.ToString(), isFolder, isFolder ? 0 : entry.Length);
                }, AllEntries),
            ];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    /// <inheritdoc/>
    public bool FileExists(string path) => File.Exists(Full(path));

    /// <inheritdoc/>
    public bool FolderExists(string path) => Directory.Exists(Full(path, allowRoot: true));

    /// <inheritdoc/>
    public void CreateFolder(string path) => Directory.CreateDirectory(Full(path, allowRoot: true));

    /// <inheritdoc/>
    public IReadableFile OpenRead(string path) => new LocalReadableFile(RegularFile.OpenRead(Full(path)), mayBeDirect: DirectIO != DirectIO.Never);

    /// <inheritdoc/>
    public IWritableFile OpenWrite(string path, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        FileSizeLimit.MakeError();
        string full = Full(path);
        SafeFileHandle handle = RegularFile.OpenWrite(full, out bool made);
        if (made || FileRecycling.IsUnseen(handle, full))
            return Prepared(handle, full, length, made);
        handle.Dispose();
        return Replace(full, length);
    }

    /// <inheritdoc/>
    public bool CanOverwrite(string path)
    {
        string full = Full(path);
        if (!OperatingSystem.IsLinux() || !File.Exists(full))
            return false;
        using SafeFileHandle handle = RegularFile.OpenWrite(full, out _);
        return FileRecycling.IsUnseen(handle, full);
    }

    /// <inheritdoc/>
    public FileIdentity? Identify(string path) => HardLink.Identify(Full(path));

    /// <inheritdoc/>
    public LinkOutcome Link(string file, string name, FileIdentity expected) => HardLink.Make(Full(file), Full(name), expected);

    /// <inheritdoc/>
    public void SyncFile(string path) => Sync(Full(path));

    /// <inheritdoc/>
    public void SyncFolder(string path) => Sync(Full(path, allowRoot: true));

    /// <inheritdoc/>
    public void Move(string from, string to)
    {
        string source = Full(from), destination = Full(to);
        // rename(2) would replace an empty folder without a word.
        if (Directory.Exists(destination))
            throw new IOException($"'{source}' cannot be renamed to '{destination}': there is a folder of that name.");
        if (!OperatingSystem.IsWindows())
            UnixCalls.Rename(source, destination);
        else if (Directory.Exists(source))
            Directory.Move(source, destination);
        else
            File.Move(source, destination, overwrite: true);
    }

    /// <inheritdoc/>
    public void Exchange(string first, string second)
    {
        string one = Full(first), other = Full(second);
        if (!CanExchange)
            throw new NotSupportedException($"The file system of '{Root}' cannot swap two folders atomically.");
        int error = UnixCalls.Exchange(one, other);
        if (error != 0)
            throw UnixCalls.Failure("exchange", $"{one}' with '{other}", error);
    }

    /// <inheritdoc/>
    public void DeleteFile(string path)
    {
        try
        {
            File.Delete(Full(path));
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing to remove.
        }
    }

    /// <inheritdoc/>
    public void DeleteFolder(string path)
    {
        try
        {
            Directory.Delete(Full(path), recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing to remove.
        }
    }

    /// <summary>
    /// Appends bytes to a file, which is made when there is none, in one write: lines of several processes do not mix.
    /// When <paramref name="durable"/>, the bytes are on the disk on return, and so is the name of a file that was made.
    /// </summary>
    /// <exception cref="IOException">Among others: the disk is full; part of the bytes may have been appended.</exception>
    public void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        FileSizeLimit.MakeError();
        string full = Full(path);
        if (OperatingSystem.IsWindows())
        {
            using var stream = new FileStream(full, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            stream.Write(bytes);
            stream.Flush(durable);
            return;
        }
        // FileMode.Append seeks to the end; only O_APPEND makes "the end" and the write one step.
        using SafeFileHandle handle = RegularFile.OpenAppend(full, out bool made);
        long written = UnixCalls.Write(handle, bytes, full);
        if (written != bytes.Length)
            throw new IOException($"Only {written} of {bytes.Length} bytes could be appended to '{full}'; the disk is probably full.");
        if (!durable)
            return;
        UnixCalls.Sync(handle, full);
        if (made)
            SyncFolder(StorePath.Parent(path));
    }

    private static void Sync(string full)
    {
        if (OperatingSystem.IsWindows())
            return;
        // What is neither file nor folder must not keep us waiting either.
        using SafeFileHandle handle = UnixCalls.Open(full, UnixCalls.ReadOnly | UnixCalls.NonBlocking);
        UnixCalls.Sync(handle, full);
    }

    private string Full(string path, bool allowRoot = false)
    {
        StorePath.Check(path, allowRoot);
        return path.Length == 0 ? Root : Path.Join(Root, path);
    }

    // Whoever has the old file open or linked keeps it, and its name is never without a file.
    private IWritableFile Replace(string full, long length)
    {
        string beside = $"{full}.{Guid.NewGuid():N}";
        IWritableFile file = Prepared(RegularFile.OpenWrite(beside, out _), beside, length, made: true);
        try
        {
            if (OperatingSystem.IsWindows())
                File.Move(beside, full, overwrite: true);
            else
                UnixCalls.Rename(beside, full);
            return file;
        }
        catch
        {
            file.Dispose();
            File.Delete(beside);
            throw;
        }
    }

    private IWritableFile Prepared(SafeFileHandle handle, string full, long length, bool made)
    {
        try
        {
            // Space first: where there is none, a file that exists stays as it was.
            long present = RandomAccess.GetLength(handle);
            DiskSpace.Reserve(handle, full, present, length);
            if (present > length)
                RandomAccess.SetLength(handle, length);
            return length >= DirectFrom && IsDirect() && DirectFile.TryTake(handle, length) is { } direct ? direct : new LocalWritableFile(handle);
        }
        catch
        {
            handle.Dispose();
            if (made)
                File.Delete(full);
            throw;
        }
    }

    private bool IsDirect()
    {
        lock (_probing)
            return _isDirect ??= DirectIO switch
            {
                DirectIO.Never => false,
                DirectIO.Always => true,
                // A disk that is nearly full has no room for a trial.
                _ => AvailableBytes() < TrialBytes || DirectProbe.IsWorthIt(Root),
            };
    }
}
