using System.Buffers;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace Cairn.Stores;

/// <summary>Tries out which way to the disk is the faster one in a folder of this machine: past the page cache, or through it.</summary>
internal static class DirectProbe
{
    private const int Rounds = 2, MuchFaster = 2;

    /// <summary>Whether to write past the cache: the way through it is not much faster. What cannot be tried out is left to the save, which says what is wrong.</summary>
    public static bool IsWorthIt(string root)
    {
        if (!OperatingSystem.IsLinux())
            return false;
        try
        {
            using IMemoryOwner<byte> block = AlignedMemory.Shared.Rent();
            block.Memory.Span.Clear();
            TimeSpan direct = TimeSpan.MaxValue, cached = TimeSpan.MaxValue;
            for (int round = 0; round < Rounds; round++)
            {
                if (Write(root, block.Memory.Span, isDirect: true) is not { } time)
                    return false;
                direct = Least(direct, time);
                cached = Least(cached, Write(root, block.Memory.Span, isDirect: false)!.Value);
            }
            return direct < cached * MuchFaster;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    // Null where the file system has no direct I/O. The file has lost its name before it is written, so that no kill leaves it behind.
    private static TimeSpan? Write(string root, ReadOnlySpan<byte> block, bool isDirect)
    {
        string path = Path.Join(root, $".direct-probe-{Guid.NewGuid():N}");
        using SafeFileHandle handle = RegularFile.OpenWrite(path, out _);
        File.Delete(path);
        if (isDirect && !UnixCalls.SetDirect(handle, isDirect: true))
            return null;
        _ = UnixCalls.Reserve(handle, block.Length);
        long start = Stopwatch.GetTimestamp();
        LocalWritableFile.WriteAt(handle, 0, block);
        RandomAccess.FlushToDisk(handle);
        return Stopwatch.GetElapsedTime(start);
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
