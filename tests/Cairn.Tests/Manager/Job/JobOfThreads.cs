using System.Runtime.ExceptionServices;
using Cairn.Checkpoints;
using Cairn.Ranks;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Ranks;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Manager.Job;

/// <summary>What a rank of a job of threads has.</summary>
internal sealed class RankOfThreads(World world, int rank, RankGroup group, RankFiles files, RoundClock clock)
{
    public World World => world;
    public int Rank => rank;
    public RankGroup Group => group;
    public RankFiles Files => files;
    public RankTraining Training { get; } = new(world, rank);
    public List<SaveReport> Reports { get; } = [];

    private CheckpointManager? _checkpoints;

    /// <summary>Starts the run; the job ends it.</summary>
    public CheckpointManager Start(CheckpointOptions options, IFileSystem? elsewhere = null)
    {
        IRunHome home = options.Store is { } store ? new StoreHome(store) : new DiskHome(elsewhere ?? files);
        _checkpoints = CheckpointManager.Start(home, options, Training.Train, Training.Parts, NullLoggerFactory.Instance, clock, ranks: group);
        clock.Writes(rank, () => (_checkpoints.IsSaving ? 1 : 0) + (_checkpoints.IsDraining ? 1 : 0));
        _checkpoints.SaveEnded += (_, report) => Reports.Add(report);
        return _checkpoints;
    }

    /// <summary>Does what a rank does, and ends its run.</summary>
    /// <returns>The first error: what follows from it hides it from nobody.</returns>
    public Exception? Live(Action<RankOfThreads> program)
    {
        Exception? error = Record.Exception(() =>
        {
            program(this);
            _ = _checkpoints?.Complete();
        });
        Exception? end = Record.Exception(() => _checkpoints?.DisposeAsync().AsTask().GetAwaiter().GetResult());
        return error ?? end;
    }

    /// <summary>Trains until a step; <see langword="false"/> when it was told to end before.</summary>
    public bool Train(CheckpointManager checkpoints, long until)
    {
        while (Training.Train.Step < until)
        {
            Training.Batch();
            if (!checkpoints.AfterBatch())
                return false;
        }
        return true;
    }

    /// <summary>Waits for something that others do.</summary>
    public void WaitUntil(Func<bool> condition, string otherwise = "") => SaveWaiting.Until(() =>
    {
        bool holds = condition();
        if (!holds)
            clock.HasRested(rank);
        return holds;
    }, otherwise);

    /// <summary>Lets a time go by, in which each rank rests.</summary>
    public void Rest(TimeSpan time)
    {
        long until = clock.GetTimestamp() + time.Ticks;
        WaitUntil(() => clock.GetTimestamp() >= until);
    }

    /// <summary>Waits until no save is under way.</summary>
    public void WaitForSave(CheckpointManager checkpoints, string otherwise = "") => WaitUntil(() => !checkpoints.IsSaving, otherwise);

    /// <summary>What this rank's writer does next hangs until a gate opens.</summary>
    public void HangUntil(ManualResetEventSlim gate)
    {
        clock.Hangs(rank, true);
        gate.Wait(JobOfThreads.Patience).ShouldBeTrue();
        clock.Hangs(rank, false);
    }

    /// <summary>Waits until no save is under way, and hears of it.</summary>
    public void Settle(CheckpointManager checkpoints)
    {
        WaitForSave(checkpoints);
        group.Barrier("test: settled", TimeSpan.FromSeconds(30));
        Training.Train.SkipBatch("test");
        checkpoints.AfterBatch();
    }
}

/// <summary>Runs a program as the ranks of a job, each on a thread, over one file system that they share.</summary>
internal sealed class JobOfThreads(IFileSystem shared)
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Stands between a rank and the others.</summary>
    public Func<IRankTransport, IRankTransport> Between { get; init; } = static transport => transport;

    /// <summary>The error with which each rank ended.</summary>
    public Exception?[] Errors { get; private set; } = [];
    public RankOfThreads[] Ranks { get; private set; } = [];

    public void Run(World world, Action<RankOfThreads> program, bool mayFail = false)
    {
        var mail = new InProcessRanks(world.Size);
        Errors = new Exception?[world.Size];
        Ranks = [.. Enumerable.Range(0, world.Size).Select(rank => new RankOfThreads(world, rank, new RankGroup(Between(mail.Transport(rank)), world, clock: mail.Clock), new RankFiles(shared, () => mail.Silence(rank)), mail.Clock))];
        mail.RunThreads(rank => Errors[rank] = Ranks[rank].Live(program));
        if (mayFail)
            return;
        // What a rank met itself tells more than what it heard of another.
        if ((Array.Find(Errors, error => error is not (null or RankFailedException)) ?? Array.Find(Errors, error => error is not null)) is { } first)
            ExceptionDispatchInfo.Throw(first);
    }
}

/// <summary>A rank was killed.</summary>
internal sealed class KilledException() : Exception("killed");

/// <summary>The shared file system as one rank sees it, with troubles of its own. Each change of the store is counted.</summary>
internal sealed class RankFiles(IFileSystem inner, Action silence) : ForwardingFileSystem(inner)
{
    private volatile bool _killed;
    private int _changes;

    /// <summary>What happens before the change with this number; it may throw, block, or kill.</summary>
    public Action<int, string>? Before { get; set; }
    public int Changes => Volatile.Read(ref _changes);

    /// <summary>From here on the rank neither writes nor sends.</summary>
    public void Kill()
    {
        _killed = true;
        silence();
        throw new KilledException();
    }

    public override IReadOnlyList<FileSystemEntry> List(string folder) => Alive(() => Inner.List(folder));
    public override bool FileExists(string path) => Alive(() => Inner.FileExists(path));
    public override bool FolderExists(string path) => Alive(() => Inner.FolderExists(path));
    public override IReadableFile OpenRead(string path) => Alive(() => Inner.OpenRead(path));
    public override void CreateFolder(string path) => Change($"create {path}", () => Inner.CreateFolder(path));
    public override void SyncFile(string path) => Change($"sync {path}", () => Inner.SyncFile(path));
    public override void SyncFolder(string path) => Change($"sync {path}", () => Inner.SyncFolder(path));
    public override void Move(string from, string to) => Change($"move {from} {to}", () => Inner.Move(from, to));
    public override void Exchange(string first, string second) => Change($"exchange {first} {second}", () => Inner.Exchange(first, second));
    public override FileIdentity? Identify(string path) => Alive(() => Inner.Identify(path));

    public override LinkOutcome Link(string file, string name, FileIdentity expected)
    {
        LinkOutcome outcome = default;
        Change($"link {file} {name}", () => outcome = Inner.Link(file, name, expected));
        return outcome;
    }

    public override void DeleteFile(string path) => Change($"delete {path}", () => Inner.DeleteFile(path));
    public override void DeleteFolder(string path) => Change($"delete {path}", () => Inner.DeleteFolder(path));

    public override void Append(string path, ReadOnlySpan<byte> bytes, bool durable)
    {
        if (_killed)
            throw new KilledException();
        Inner.Append(path, bytes, durable);
    }

    public override IWritableFile OpenWrite(string path, long length)
    {
        if (path.StartsWith("progress", StringComparison.Ordinal))
            return Inner.OpenWrite(path, length);
        IWritableFile? file = null;
        Change($"open {path}", () => file = Inner.OpenWrite(path, length));
        return new Writable(this, path, file!);
    }

    private T Alive<T>(Func<T> read) => _killed ? throw new KilledException() : read();

    private void Change(string what, Action change)
    {
        if (_killed)
            throw new KilledException();
        if (!what.Contains("progress", StringComparison.Ordinal))
            Before?.Invoke(Interlocked.Increment(ref _changes) - 1, what);
        change();
    }

    private sealed class Writable(RankFiles owner, string path, IWritableFile file) : IWritableFile
    {
        public void Write(long offset, ReadOnlySpan<byte> block)
        {
            byte[] copy = block.ToArray();
            owner.Change($"write {path}", () => file.Write(offset, copy));
        }

        public void Sync() => owner.Change($"fsync {path}", file.Sync);
        public void Dispose() => file.Dispose();
    }
}
