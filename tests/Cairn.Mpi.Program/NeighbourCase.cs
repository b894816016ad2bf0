using System.Globalization;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Cairn.Checkpoints;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Mpi.Program;

/// <summary>
/// A rank that trains with a fast folder of its host: <c>neighbour RUN FAST STEPS HOME REPLICAS RATE LOGS</c>. The folder is <c>FAST/host-N</c>, where <c>N</c> is the last part of the host's address. The
/// home takes copies during so many steps (<c>HOME</c>, or all) and none from then on; each rank sends at most so many bytes in a second (<c>RATE</c>, or none). What it meets goes to the
/// file <c>LOGS/R.log</c>.
/// </summary>
internal static class NeighbourCase
{
    // More than one piece for each neighbour, and the last one is no whole one.
    private const int BallastBytes = 5_000_000;
    private const int EndedWithAnError = 7;

    public static async Task<int> RunAsync(MpiJob job, string[] args)
    {
        (string run, string fast, long steps, string taken, string replicas, string rate, string logs) = (args[1], args[2], Number(args[3]), args[4], args[5], args[6], args[7]);
        await using var log = new StreamWriter(Path.Combine(logs, string.Create(CultureInfo.InvariantCulture, $"{job.Ranks.Rank}.log"))) { AutoFlush = true };
        await log.WriteLineAsync($"process {Environment.ProcessId}");
        var training = new HeavyTraining(job, BallastBytes);
        var home = new RefusingHome(new LocalFileSystem(run));
        var options = new CheckpointOptions
        {
            Folder = run,
            FastFolder = Path.Combine(fast, $"host-{Host()}"),
            Replicas = (int)Number(replicas),
            ReplicaBytesPerSecond = rate == "none" ? null : Number(rate),
            TotalSteps = steps,
            CheckpointEvery = 20,
            SnapshotEvery = 2,
            RankTimeout = job.Ranks.Timeout,
        };
        using var never = new SemaphoreSlim(0);
        try
        {
            await using (CheckpointManager checkpoints = CheckpointManager.Start(home, options, training.Train, training.Parts, ranks: job.Ranks))
            {
                await log.WriteLineAsync($"starts at step {training.Train.Step}");
                if (training.Train.Step > 0 && !training.IsAsNeverInterrupted(training.Train.Step))
                    await log.WriteLineAsync("has another state than without the interruption");
                long refusesFrom = taken == "all" ? long.MaxValue : training.Train.Step + Number(taken);
                checkpoints.SaveEnded += (_, report) => log.WriteLine($"{report.Outcome.ToString().ToLowerInvariant()} step {report.Step} {report.Error?.Message} {string.Join("; ", report.Notes)}");
                while (!training.Train.IsComplete)
                {
                    never.Wait(20);
                    home.Refuses = training.Train.Step >= refusesFrom;
                    training.Batch(sums: true);
                    await log.WriteLineAsync($"step {training.Train.Step}");
                    if (!checkpoints.AfterBatch())
                        break;
                }
                checkpoints.Complete();
            }
        }
        catch (CheckpointException e)
        {
            await log.WriteLineAsync($"ends: {e.Message}");
            job.Fail(e.Message);
            return EndedWithAnError;
        }
        bool isWell = training.IsAsNeverInterrupted(steps);
        await log.WriteLineAsync(isWell ? "well" : "has another state than without the interruption");
        return isWell ? 0 : 1;
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static int Host() => NetworkInterface.GetAllNetworkInterfaces().Single(link => link.Name == "eth0").GetIPProperties().UnicastAddresses
        .Single(address => address.Address.AddressFamily == AddressFamily.InterNetwork).Address.GetAddressBytes()[^1];

    /// <summary>A home that takes its small files only, once it refuses.</summary>
    private sealed class RefusingHome(LocalFileSystem local) : IRunHome
    {
        private readonly DiskHome _inner = new(local);
        private readonly RefusingFiles _files = new(local);

        public bool Refuses { set => _files.Refuses = value; }
        public IRunFiles Files => local;
        public ILease? Acquire(TimeProvider time, TimeSpan duration, Action<string> waiting, Action<string> lost, CancellationToken cancellationToken) => _inner.Acquire(time, duration, waiting, lost, cancellationToken);
        public void Probe() => _inner.Probe();
        public ICopyPublisher Publisher(ILease? lease = null, SignsOfLife? signs = null) => new RenamePublisher(signs is null ? _files : new TimedFileSystem(_files, signs), lease);
    }

    private sealed class RefusingFiles(LocalFileSystem inner) : ForwardingFileSystem(inner)
    {
        private volatile bool _refuses;

        public bool Refuses { set => _refuses = value; }

        public override IWritableFile OpenWrite(string path, long length)
        {
            CheckTaken(path);
            return Inner.OpenWrite(path, length);
        }

        public override void CreateFolder(string path)
        {
            CheckTaken(path);
            Inner.CreateFolder(path);
        }

        public override void Move(string from, string to)
        {
            CheckTaken(from);
            Inner.Move(from, to);
        }

        public override void Exchange(string first, string second)
        {
            CheckTaken(first);
            Inner.Exchange(first, second);
        }

        private void CheckTaken(string path)
        {
            if (_refuses && path.StartsWith(RunFolder.Staging, StringComparison.Ordinal))
                throw new IOException("The home is away.");
        }
    }
}
