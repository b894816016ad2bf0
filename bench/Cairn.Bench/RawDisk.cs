using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Bench;

/// <summary>What the disk and the page cache can do by themselves: files of one pattern, written and read in blocks by some threads.</summary>
internal static partial class RawDisk
{
    public const int Block = 8 << 20;

    private const int Page = 4096;

    /// <summary>Writes a file, over the old one where there is one, and makes it durable.</summary>
    /// <param name="path">The file.</param>
    /// <param name="source">What is written, a block after the other.</param>
    /// <param name="isDirect">Past the page cache.</param>
    /// <param name="threads">Blocks under way at once.</param>
    public static void Write(string path, RawMemory source, bool isDirect, int threads)
    {
        using SafeFileHandle handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write);
        // Without space of its own for the whole file, each write would look for some.
        _ = fallocate(handle, KeepSize, 0, source.Bytes);
        if (isDirect || threads > 1)
            RandomAccess.SetLength(handle, source.Bytes);
        SetDirect(handle, path, isDirect);
        InBlocks(source, threads, (block, offset) => RandomAccess.Write(handle, block.Span, offset));
        RandomAccess.FlushToDisk(handle);
    }

    /// <summary>Reads a file of at most the memory's length.</summary>
    /// <inheritdoc cref="Write"/>
    public static void Read(string path, RawMemory destination, bool isDirect, int threads)
    {
        using SafeFileHandle handle = File.OpenHandle(path);
        SetDirect(handle, path, isDirect);
        InBlocks(destination, threads, (block, offset) =>
        {
            for (int at = 0; at < block.Length;)
            {
                int read = RandomAccess.Read(handle, block.Span[at..], offset + at);
                if (read == 0)
                    return;
                at += read;
            }
        });
    }

    /// <summary>Makes a file, or a folder with all files in it, durable, and its name too.</summary>
    public static void Sync(string path)
    {
        if (Directory.Exists(path))
        {
            foreach (string entry in Directory.EnumerateFileSystemEntries(path))
                Sync(entry);
        }
        SyncOne(path);
        SyncOne(Path.GetDirectoryName(path)!);
    }

    /// <summary>Makes the page cache forget a file, or all files below a folder.</summary>
    public static void Forget(string path)
    {
        foreach (string file in FilesOf(path))
        {
            using SafeFileHandle handle = File.OpenHandle(file, share: FileShare.ReadWrite | FileShare.Delete);
            // Pages that are not on the disk yet cannot be forgotten.
            _ = fsync((int)handle.DangerousGetHandle());
            if (posix_fadvise(handle, 0, 0, DontNeed) != 0)
                throw new IOException($"The page cache cannot be told to forget '{file}'.");
        }
    }

    /// <summary>Brings a file, or all files below a folder, into the page cache.</summary>
    public static void Remember(string path)
    {
        byte[] block = GC.AllocateUninitializedArray<byte>(Block);
        foreach (string file in FilesOf(path))
        {
            using SafeFileHandle handle = File.OpenHandle(file, share: FileShare.ReadWrite | FileShare.Delete);
            long offset = 0;
            while (RandomAccess.Read(handle, block, offset) is > 0 and var read)
                offset += read;
        }
    }

    private static IEnumerable<string> FilesOf(string path) => File.Exists(path) ? [path] : Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories);

    private static void InBlocks(RawMemory memory, int threads, Action<Memory<byte>, long> each)
    {
        int blocks = (int)((memory.Bytes + Block - 1) / Block), next = -1;
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ =>
        {
            while (Interlocked.Increment(ref next) is var block && block < blocks)
                each(memory.Slice((long)block * Block, Block), (long)block * Block);
        });
    }

    private static void SetDirect(SafeFileHandle handle, string path, bool isDirect)
    {
        const int GetFlags = 3, SetFlags = 4;
        int direct = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 ? 0x10000 : 0x4000;
        if (isDirect && fcntl(handle, SetFlags, fcntl(handle, GetFlags, 0) | direct) < 0)
            throw new IOException($"'{path}' cannot be opened past the page cache.");
    }

    private static void SyncOne(string path)
    {
        int descriptor = open(path, 0);
        int result = descriptor < 0 ? -1 : fsync(descriptor);
        if (descriptor >= 0)
            _ = close(descriptor);
        if (result != 0)
            throw new IOException($"'{path}' cannot be made durable.");
    }

    /// <summary>Rounds up to what direct writes take.</summary>
    public static long RoundUp(long bytes) => (bytes + Page - 1) / Page * Page;

    private const int KeepSize = 1, DontNeed = 4;

#pragma warning disable IDE1006 // Names of the C library.
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial int fsync(int descriptor);

    [LibraryImport("libc")]
    private static partial int fcntl(SafeFileHandle handle, int command, int argument);

    [LibraryImport("libc")]
    private static partial int fallocate(SafeFileHandle handle, int mode, long offset, long length);

    [LibraryImport("libc")]
    private static partial int posix_fadvise(SafeFileHandle handle, long offset, long length, int advice);
#pragma warning restore IDE1006
}
