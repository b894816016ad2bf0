using System.Diagnostics;
using System.Globalization;

namespace Cairn.Stores;

/// <summary>What tells one process from all others: its machine's boot, its namespace, its id and its start.</summary>
internal static class ProcessIdentity
{
    // Start times are computed from the boot time and clock ticks, and differ a little between readings.
    private static readonly TimeSpan StartTolerance = TimeSpan.FromSeconds(2);

    /// <summary>The id of this boot of the machine; <see langword="null"/> where the system has none.</summary>
    public static string? Boot { get; } = Guarded(() => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim());

    /// <summary>The namespace in which process ids are counted; <see langword="null"/> where the system has none.</summary>
    public static string? PidNamespace { get; } = Guarded(() => new FileInfo("/proc/self/ns/pid").LinkTarget);

    /// <summary>When a process started, in clock ticks since boot; <see langword="null"/> when that cannot be told.</summary>
    public static long? StartTicks(int process) => Stat(process)?.StartTicks;

    /// <summary>Whether a process of this machine and namespace still runs.</summary>
    /// <param name="process">Its id.</param>
    /// <param name="startTicks">When it started, where that was recorded; the id alone may belong to a younger process.</param>
    /// <param name="started">The same by the clock.</param>
    public static bool IsAlive(int process, long? startTicks, DateTimeOffset started)
    {
        if (Stat(process) is { } stat)
        {
            // What has ended and was not waited for holds nothing any more.
            if (stat.State is 'Z' or 'X')
                return false;
            if (startTicks is { } ticks)
                return ticks == stat.StartTicks;
        }
        try
        {
            using var found = Process.GetProcessById(process);
            return !found.HasExited && (new DateTimeOffset(found.StartTime) - started).Duration() <= StartTolerance;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return false;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // It exists, but belongs to somebody else.
            return true;
        }
    }

    // proc_pid_stat(5): the state is the first field behind the name in brackets, the start time the twentieth.
    private static (char State, long StartTicks)? Stat(int process)
    {
        string? text = Guarded(() => File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/stat")));
        string[] fields = text?[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return fields.Length > 19 && long.TryParse(fields[19], NumberStyles.None, CultureInfo.InvariantCulture, out long ticks) ? (fields[0][0], ticks) : null;
    }

    private static string? Guarded(Func<string?> read)
    {
        try
        {
            return OperatingSystem.IsLinux() ? read() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
