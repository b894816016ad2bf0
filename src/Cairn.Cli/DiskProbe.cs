using System.Diagnostics;
using Cairn.Cli.Output;
using Cairn.Stores;

namespace Cairn.Cli;

/// <summary>What a folder's disk and this machine's memory can take, by a short trial.</summary>
/// <param name="WriteRate">Bytes per second until they are durable.</param>
/// <param name="CopyRate">Bytes per second from memory to memory that was touched before.</param>
/// <param name="AvailableBytes">Free bytes.</param>
internal sealed record DiskProbe(double WriteRate, double CopyRate, long? AvailableBytes)
{
    private const int Block = 8 << 20;
    private const long MostBytes = 2L << 30;
    private const double SpareShare = 0.1;
    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(2);

    /// <summary>Writes for two seconds into a file of its own, which goes afterwards.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static DiskProbe Measure(string folder, Screen screen, CancellationToken cancellationToken)
    {
        string full = Path.GetFullPath(folder);
        // The folder of a run that is yet to be: its nearest parent is on the same disk.
        while (!Directory.Exists(full) && Path.GetDirectoryName(full) is { } parent)
            full = parent;
        var files = new LocalFileSystem(full);
        long? available = files.AvailableBytes();
        string name = $".cairn-probe-{Environment.ProcessId}";
        try
        {
            return new DiskProbe(WriteRateOf(files, name, available, screen, cancellationToken), CopyRateOf(), available);
        }
        finally
        {
            files.DeleteFile(name);
        }
    }

    private static double WriteRateOf(LocalFileSystem files, string name, long? available, Screen screen, CancellationToken cancellationToken)
    {
        byte[] block = new byte[Block];
        // Bytes that neither disk nor file system can shrink.
        new Random(1).NextBytes(block);
        long most = Math.Min(MostBytes, (long)((available ?? MostBytes) * SpareShare) / Block * Block);
        if (most < Block)
            throw new IOException($"{files.Root} has too little free space for a trial. Give --write-rate instead.");
        using var status = new StatusLine(screen);
        long start = Stopwatch.GetTimestamp(), written = 0;
        // As a save writes it: some blocks at once, past the page cache where that can be.
        using (IWritableFile file = files.OpenWrite(name, most))
        {
            using var writer = new SequentialWriter(file, most);
            for (; written < most && Stopwatch.GetElapsedTime(start) < Enough; written += Block)
            {
                cancellationToken.ThrowIfCancellationRequested();
                writer.Write(block);
                TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
                // Whichever comes first, the time or the space, ends it; mostly the time.
                status.Show($"probe  {Units.Bytes((written + Block) / elapsed.TotalSeconds)}/s  {Units.Time(elapsed < Enough ? Enough - elapsed : TimeSpan.Zero)} left");
            }
            writer.Complete();
            file.Sync();
        }
        return written / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double CopyRateOf()
    {
        const int Bytes = 256 << 20, Rounds = 3;
        byte[] from = new byte[Bytes], to = new byte[Bytes];
        Array.Fill(from, (byte)1);
        from.CopyTo(to, 0);
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < Rounds; round++)
            from.CopyTo(to, 0);
        return (double)Bytes * Rounds / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
