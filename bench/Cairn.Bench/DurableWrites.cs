using System.Globalization;
using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Bench;

/// <summary>
/// Durable saves of captured state, as in the background, and of live state, as when training waits; past the page cache and through it, against what the disk takes either way: all in random order with pauses, each keeping its last two copies. New files, and
/// files that are written over.
/// </summary>
internal sealed class DurableWrites(LargeState state, string folder, int rounds, Func<SaveKind, long, Marker> marker)
{
    private const int UnderWay = 3;

    // What one has left to the disk should not be paid for by the next.
    private const int PauseMilliseconds = 2000;

    public void Run(SaveKind kind)
    {
        (string, StateMap)[] live = [("model", state.Model)];
        using var raw = new RawMemory(state.Bytes);
        using var pool = new StagingPool();
        using CapturedState captured = new StateCapture(pool).Capture(live);
        (string, StateMap)[] copied = [.. captured.Parts.Select(part => (part.Name, part.State))];
        string files = kind == SaveKind.Checkpoint ? "new files" : "files written over";
        (string Name, Func<TimeSpan> Write)[] ways =
        [
            ("raw, direct", Raw(kind, raw, isDirect: true)), ("raw, buffered", Raw(kind, raw, isDirect: false)),
            ("captured, direct", Saving(kind, DirectIO.Always, copied)), ("captured, buffered", Saving(kind, DirectIO.Never, copied)), ("live, direct", Saving(kind, DirectIO.Always, live)),
        ];
        var times = ways.ToDictionary(way => way.Name, _ => new List<double>(), StringComparer.Ordinal);
        var random = new Random(1);
        using var never = new ManualResetEventSlim();
        for (int round = -1; round < rounds; round++)
        {
            random.Shuffle(ways);
            foreach ((string name, Func<TimeSpan> write) in ways)
            {
                never.Wait(PauseMilliseconds);
                double seconds = write().TotalSeconds;
                if (round >= 0)
                    times[name].Add(seconds);
            }
        }
        double limit = Measure.Median([.. times["raw, direct"]]);
        foreach ((string name, List<double> seconds) in times.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            double median = Measure.Median([.. seconds]);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"durable write, {files,-18} {name,-18} {median * 1e3,7:0} ms ({seconds.Min() * 1e3:0} to {seconds.Max() * 1e3:0})  {state.Bytes / median / 1e9:0.00} GB/s  {limit / median,4:0%} of raw direct"));
        }
    }

    // The last two copies stay, as with a save.
    private Func<TimeSpan> Raw(SaveKind kind, RawMemory source, bool isDirect)
    {
        int copy = 0;
        return () =>
        {
            string path = Path.Combine(folder, $"raw-{isDirect}-{copy++ % 2}");
            if (kind == SaveKind.Checkpoint)
                File.Delete(path);
            return Measure.Time(() => RawDisk.Write(path, source, isDirect, isDirect ? UnderWay : 1));
        };
    }

    private Func<TimeSpan> Saving(SaveKind kind, DirectIO way, IReadOnlyList<(string Part, StateMap State)> parts)
    {
        var files = new LocalFileSystem(Path.Combine(folder, Guid.NewGuid().ToString("N"))) { DirectIO = way };
        files.CreateFolder("");
        var publisher = new RenamePublisher(files);
        var protocol = new CommitProtocol(publisher);
        long step = 0;
        // The replaced snapshot's files are recycled from the third one on.
        for (int i = 0; kind == SaveKind.Snapshot && i < 3; i++)
            Save();
        return () =>
        {
            if (kind == SaveKind.Checkpoint && step > 1)
                publisher.Retire(step - 1);
            return Measure.Time(Save);
        };

        void Save() => protocol.Save(marker(kind, ++step), CairnLayout.Plan(parts), refuseNonFinite: true);
    }
}
