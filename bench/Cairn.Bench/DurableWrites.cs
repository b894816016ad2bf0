using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Bench;

/// <summary>Those who write durably, each keeping its last two copies: the disk by itself and Cairn. New files, or files that are written over.</summary>
internal sealed class DurableWrites(string folder, SaveKind kind, Func<SaveKind, long, Marker> marker)
{
    private const int UnderWay = 4;

    /// <summary>What one has left to the disk should not be paid for by the next.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    /// <summary>Compares captured state, as in the background, and live state, as when training waits; past the page cache and through it.</summary>
    public IReadOnlyList<ResultGroup> Compare(LargeState state, int rounds)
    {
        string group = $"durable, {Title}";
        using var pool = new StagingPool();
        using CapturedState captured = new StateCapture(pool).Capture([("model", state.Model)]);
        var contest = new Contest(rounds, Pause);
        EnterRaw(contest, group, state.Memory);
        Enter("captured, direct", DirectIO.Always, captured.Parts[0].State);
        Enter("captured, through the cache", DirectIO.Never, captured.Parts[0].State);
        Enter("live, direct", DirectIO.Always, state.Model);
        return contest.Run(state.Bytes);

        void Enter(string name, DirectIO way, StateMap model) =>
            contest.Enter(group, $"Cairn, {name}", Role.Ours, Saving(way, write => Measure.Time(() => write(CairnLayout.Plan([("model", model)])))));
    }

    /// <summary>What is compared.</summary>
    public string Title => kind == SaveKind.Checkpoint ? "new files" : "files written over";

    /// <summary>Enters the disk by itself.</summary>
    public void EnterRaw(Contest contest, string group, RawMemory source)
    {
        foreach (bool isDirect in (bool[])[true, false])
            contest.Enter(group, isDirect ? $"O_DIRECT write and fsync, {UnderWay} blocks in flight" : "write and fsync", Role.Limit, Raw(source, isDirect));
    }

    /// <summary>One who saves into a run of its own.</summary>
    /// <param name="way">Past the page cache or not.</param>
    /// <param name="save">Plans files, has them written, and says how long what counts took.</param>
    public Func<TimeSpan> Saving(DirectIO way, Func<Action<IReadOnlyList<PlannedFile>>, TimeSpan> save)
    {
        var files = new LocalFileSystem(Path.Combine(folder, Guid.NewGuid().ToString("N"))) { DirectIO = way };
        files.CreateFolder("");
        var publisher = new RenamePublisher(files);
        var protocol = new CommitProtocol(publisher);
        long step = 0;
        // The replaced snapshot's files are recycled from the third one on.
        for (int i = 0; kind == SaveKind.Snapshot && i < 3; i++)
            save(Write);
        return () =>
        {
            if (kind == SaveKind.Checkpoint && step > 1)
                publisher.Retire(step - 1);
            return save(Write);
        };

        void Write(IReadOnlyList<PlannedFile> plan) => protocol.Save(marker(kind, ++step), plan, refuseNonFinite: true);
    }

    private Func<TimeSpan> Raw(RawMemory source, bool isDirect)
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
}
