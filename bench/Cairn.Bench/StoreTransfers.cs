using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Policies;
using Cairn.S3;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Bench;

/// <summary>Saves to an object store and verified loads from it, against clients that move the same bytes and nothing else.</summary>
internal sealed class StoreTransfers : IDisposable
{
    public const string Verb = "store";

    // Others pay for what the service does later with what was removed.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);

    private readonly int _rounds;
    private readonly Func<SaveKind, long, Marker> _marker;
    private readonly RawMemory _memory;
    private readonly LargeState _live, _target;
    private readonly S3Address _address;
    private readonly PlainS3 _plain;
    private readonly Rclone? _rclone;
    private readonly string _file;

    private StoreTransfers(S3Address address, int rounds, long bytes, Func<SaveKind, long, Marker> marker)
    {
        (_address, _rounds, _marker) = (address, rounds, marker);
        (_memory, _plain) = (new RawMemory(bytes), new PlainS3(address));
        (_live, _target) = (new LargeState(_memory, bytes, StateShape.FewLarge), new LargeState(bytes, seed: 2));
        _file = $"/dev/shm/cairn-store-{Environment.ProcessId}";
        if (!Rclone.IsThere)
            return;
        _rclone = new Rclone(address, _file);
        using FileStream file = File.Create(_file);
        using Stream source = _memory.Open(0, bytes);
        source.CopyTo(file);
    }

    /// <summary>Measures all sizes and prints tables. Keys and endpoint come from the environment.</summary>
    public static int Run(string address, int rounds, IReadOnlyList<long> sizes, Func<SaveKind, long, Marker> marker)
    {
        S3Address place = S3Address.Parse($"{address}/{Guid.NewGuid():N}");
        Console.WriteLine($"{rounds} rounds, {Environment.ProcessorCount} processors\n");
        foreach (long size in sizes)
        {
            using var transfers = new StoreTransfers(place, rounds, size << 20, marker);
            foreach (Func<string, IReadOnlyList<ResultGroup>> measure in (Func<string, IReadOnlyList<ResultGroup>>[])[transfers.Puts, transfers.Gets])
            {
                foreach (ResultGroup group in measure($"{size} MiB"))
                    Console.WriteLine(group.ToMarkdown());
            }
        }
        return 0;
    }

    public void Dispose()
    {
        File.Delete(_file);
        _plain.Dispose();
        _target.Dispose();
        _memory.Dispose();
    }

    private IReadOnlyList<ResultGroup> Puts(string size)
    {
        string group = $"{size}: put";
        using var pool = new StagingPool();
        using CapturedState captured = new StateCapture(pool).Capture([("model", _live.Model)]);
        var store = new S3RunStore(_address.At($"{_address.Prefix}/run"));
        var publisher = new MarkerPublisher(store);
        var protocol = new CommitProtocol(publisher);
        long step = 0;
        var contest = new Contest(_rounds, Pause);
        contest.Enter(group, "AWS SDK", Role.Limit, Removing("plain", _plain.DeleteAsync, name => Measure.Time(() => _plain.PutAsync(name, _memory).Wait())));
        if (_rclone is not null)
            contest.Enter(group, "rclone", Role.Peer, Removing("rclone", _plain.DeleteAsync, name => Measure.Time(() => _rclone.Put(name))));
        contest.Enter(group, "Cairn, a whole save", Role.Ours, () =>
        {
            if (step > 0)
                publisher.Retire(step);
            step++;
            return Measure.Time(() => protocol.Save(_marker(SaveKind.Checkpoint, step), CairnLayout.Plan([("model", captured.Parts[0].State)]), refuseNonFinite: true));
        });
        IReadOnlyList<ResultGroup> groups = contest.Run(_live.Bytes);
        publisher.Retire(step);
        return groups;
    }

    private IReadOnlyList<ResultGroup> Gets(string size)
    {
        string group = $"{size}: get";
        const string Name = "plain-0";
        _plain.PutAsync(Name, _memory).Wait();
        var store = new S3RunStore(_address.At($"{_address.Prefix}/run"));
        var publisher = new MarkerPublisher(store);
        new CommitProtocol(publisher).Save(_marker(SaveKind.Checkpoint, 1), CairnLayout.Plan([("model", _live.Model)]), refuseNonFinite: true);
        var files = new StoreFiles(store);
        var contest = new Contest(_rounds, Pause);
        contest.Enter(group, "AWS SDK", Role.Limit, () => Measure.Time(() => _plain.GetAsync(Name, _target.Memory).Wait()));
        if (_rclone is not null)
            contest.Enter(group, "rclone", Role.Peer, () => Measure.Time(() => _rclone.Get(Name)));
        contest.Enter(group, "Cairn, every hash verified", Role.Ours, () => Measure.Time(() => VerifiedLoad.Run(files, _target)));
        IReadOnlyList<ResultGroup> groups = contest.Run(_live.Bytes);
        publisher.Retire(1);
        _plain.DeleteAsync(Name).Wait();
        return groups;
    }

    // What was put before goes first, as a run's older copies do.
    private static Func<TimeSpan> Removing(string name, Func<string, Task> remove, Func<string, TimeSpan> put)
    {
        int count = 0;
        return () =>
        {
            if (count > 0)
                remove($"{name}-{count}").Wait();
            return put($"{name}-{++count}");
        };
    }
}
