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
/// What the machine can do with memory and disk, and how much of it Cairn reaches: states of several sizes, in few large and in 10,000 small tensors. For each size the copy in memory, durable
/// writes of new files, of files that are written over, and reads; the contenders of each in random order.
/// </summary>
internal sealed class Limits : IDisposable
{
    public const string Verb = "limits";

    private const int UnderWay = 4;

    private readonly string _folder;
    private readonly int _rounds;
    private readonly long _bytes;
    private readonly Func<SaveKind, long, Marker> _marker;
    private readonly RawMemory _memory, _other;
    private readonly (string Name, LargeState Live, LargeState Target)[] _states;

    private Limits(string folder, int rounds, long bytes, Func<SaveKind, long, Marker> marker)
    {
        (_folder, _rounds, _bytes, _marker) = (folder, rounds, bytes, marker);
        (_memory, _other) = (new RawMemory(bytes), new RawMemory(bytes, seed: 2));
        _states = [.. ((StateShape[])[StateShape.FewLarge, StateShape.ManySmall]).Select(State)];

        (string, LargeState, LargeState) State(StateShape shape)
        {
            var live = new LargeState(_memory, bytes, shape);
            return ($"Cairn, {live.Tensors.Count.ToString("N0", CultureInfo.InvariantCulture)} tensors", live, new LargeState(_other, bytes, shape));
        }
    }

    /// <summary>Measures all sizes, prints tables, and writes <c>limits.json</c>.</summary>
    public static int Run(string disk, int rounds, IReadOnlyList<long> sizes, Func<SaveKind, long, Marker> marker)
    {
        string file = Path.Combine(Path.GetFullPath(disk), "limits.json");
        var all = new List<ResultGroup>();
        Console.WriteLine($"{rounds} rounds, {Environment.ProcessorCount} processors, blocks of {RawDisk.Block >> 20} MiB\n");
        foreach (long size in sizes)
        {
            string folder = Path.Combine(Path.GetFullPath(disk), $"cairn-limits-{Environment.ProcessId}");
            using var limits = new Limits(folder, rounds, size << 20, marker);
            foreach (Func<string, IReadOnlyList<ResultGroup>> measure in (Func<string, IReadOnlyList<ResultGroup>>[])[limits.Copies, limits.NewFiles, limits.FilesWrittenOver, limits.Reads])
            {
                Directory.CreateDirectory(folder);
                try
                {
                    IReadOnlyList<ResultGroup> groups = measure($"{size} MiB");
                    foreach (ResultGroup group in groups)
                        Console.WriteLine(group.ToMarkdown());
                    all.AddRange(groups);
                }
                finally
                {
                    Directory.Delete(folder, recursive: true);
                }
            }
        }
        ResultFile.Write(file, all, new { rounds, pauseSeconds = DurableWrites.Pause.TotalSeconds });
        Console.Error.WriteLine(file);
        return 0;
    }

    public void Dispose()
    {
        _memory.Dispose();
        _other.Dispose();
    }

    private IReadOnlyList<ResultGroup> Copies(string size)
    {
        string group = $"{size}: copy in memory";
        using var pool = new StagingPool();
        var contest = new Contest(_rounds, TimeSpan.FromMilliseconds(100));
        foreach (int threads in (int[])[1, 2])
            contest.Enter(group, $"memcpy, {threads} thread{(threads > 1 ? "s" : "")}", Role.Limit, () => Measure.Time(() => _memory.CopyTo(_other, threads)));
        foreach ((string name, LargeState live, _) in _states)
        {
            var capture = new StateCapture(pool);
            contest.Enter(group, name, Role.Ours, () =>
            {
                CapturedState? captured = null;
                TimeSpan time = Measure.Time(() => captured = capture.Capture([("model", live.Model)]));
                captured!.Dispose();
                return time;
            });
        }
        return contest.Run(_bytes);
    }

    private IReadOnlyList<ResultGroup> NewFiles(string size) => Writes(size, SaveKind.Checkpoint);

    private IReadOnlyList<ResultGroup> FilesWrittenOver(string size) => Writes(size, SaveKind.Snapshot);

    private IReadOnlyList<ResultGroup> Writes(string size, SaveKind kind)
    {
        using var pool = new StagingPool();
        var writes = new DurableWrites(_folder, kind, _marker);
        string group = $"{size}: durable, {writes.Title}";
        var contest = new Contest(_rounds, DurableWrites.Pause);
        writes.EnterRaw(contest, group, _memory);
        foreach ((string name, LargeState live, _) in _states)
            contest.Enter(group, name, Role.Ours, Saving(writes, pool, live));
        return contest.Run(_bytes);
    }

    // From the plan to the name, of state that was captured before, as the writer of a save in the background does it.
    private static Func<TimeSpan> Saving(DurableWrites writes, StagingPool pool, LargeState live)
    {
        var capture = new StateCapture(pool);
        var plans = new PlanMemory();
        return writes.Saving(DirectIO.Auto, write =>
        {
            using CapturedState captured = capture.Capture([("model", live.Model)]);
            CapturedPart part = captured.Parts[0];
            return Measure.Time(() => write(CairnLayout.Plan([new RankPart(part.Name, PartScope.Shared, part.State) { Revision = part.Revision }], World.Single, 0, plans)));
        });
    }

    private IReadOnlyList<ResultGroup> Reads(string size)
    {
        string raw = Path.Combine(_folder, "raw");
        RawDisk.Write(raw, _memory, isDirect: true, UnderWay);
        var runs = new List<(string Name, LocalFileSystem Files, LargeState Target)>();
        foreach ((string name, LargeState live, LargeState target) in _states)
        {
            var files = new LocalFileSystem(Path.Combine(_folder, $"run-{runs.Count}"));
            files.CreateFolder("");
            new CommitProtocol(files).Save(_marker(SaveKind.Checkpoint, 1), CairnLayout.Plan([("model", live.Model)]), refuseNonFinite: true);
            runs.Add((name, files, target));
        }
        var contest = new Contest(_rounds, TimeSpan.FromMilliseconds(500));
        foreach (bool isCold in (bool[])[true, false])
        {
            string group = $"{size}: read, {(isCold ? "cold" : "from the page cache")}";
            Action<string> prepare = isCold ? RawDisk.Forget : RawDisk.Remember;
            foreach (bool isDirect in isCold ? (bool[])[true, false] : [false])
                contest.Enter(group, $"{(isDirect ? "O_DIRECT " : "")}read, {UnderWay} threads", Role.Limit, Timed(prepare, raw, () => RawDisk.Read(raw, _other, isDirect, UnderWay)));
            foreach ((string name, LocalFileSystem files, LargeState target) in runs)
                contest.Enter(group, $"{name}, every hash verified", Role.Ours, Timed(prepare, files.Root, () => VerifiedLoad.Run(files, target)));
        }
        return contest.Run(_bytes);
    }

    private static Func<TimeSpan> Timed(Action<string> prepare, string path, Action run) => () =>
    {
        prepare(path);
        return Measure.Time(run);
    };
}
