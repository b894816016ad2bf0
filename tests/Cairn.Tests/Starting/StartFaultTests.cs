using Cairn.Checkpoints;
using Cairn.State;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Starting;

/// <summary>Starts that fail, and what they leave behind; starts that hold more than they need.</summary>
public sealed class StartFaultTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void A_job_whose_ranks_do_not_all_name_a_place_to_resume_from_is_refused_on_all_at_once(string? other)
    {
        World two = new(1, 1, 2, 1);
        new JobOfThreads(new LocalFileSystem(_folder["first"])).Run(two, rank => rank.Train(rank.Start(Options(_folder["first"])), 10));
        var job = new JobOfThreads(new LocalFileSystem(_folder["own"]));
        job.Run(two, rank =>
        {
            CheckpointOptions options = Options(_folder["own"]);
            (options.RankTimeout, options.ResumeFrom) = (TimeSpan.FromSeconds(2), rank.Rank == 0 ? _folder["first"] : other);
            rank.Start(options);
        }, mayFail: true);
        job.Errors.ShouldAllBe(error => error is CheckpointException && !(error is Cairn.Ranks.RankTimeoutException) && error.Message.Contains("ResumeFrom is set on some ranks only"));
    }

    [Fact]
    public async Task A_folder_that_fails_at_whatever_moment_of_the_start_is_named()
    {
        var counting = new FailsAt(new SimulatedFileSystem(), 0);
        await new SampleTraining().Start(counting, Options("run")).DisposeAsync();
        counting.Lists.ShouldBeGreaterThan(1);
        for (int at = 1; at <= counting.Lists; at++)
        {
            int failing = at;
            if (await Record.ExceptionAsync(async () => await new SampleTraining().Start(new FailsAt(new SimulatedFileSystem(), failing), Options("run")).DisposeAsync()) is { } error)
                error.ShouldBeOfType<StoreException>($"list {at}");
        }
    }

    [Fact]
    public async Task What_was_captured_at_the_start_is_not_held_while_the_state_is_restored()
    {
        var files = new SimulatedFileSystem();
        Copying part = new();
        for (int round = 0; round < 2; round++)
        {
            var train = new TrainState();
            part = new Copying();
            await using CheckpointManager checkpoints = CheckpointManager.Start(files, Options("run"), train, [part], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
            train.CompleteStep();
            checkpoints.Complete();
        }
        part.AliveAtRestore.ShouldBe(0);
    }

    private static CheckpointOptions Options(string folder) => new() { Folder = folder, CheckpointEvery = 10, SnapshotEvery = 0, Asynchronous = false, HandleSignals = false };

    private sealed class FailsAt(IFileSystem inner, int at) : ForwardingFileSystem(inner)
    {
        public int Lists;
        public override IReadOnlyList<FileSystemEntry> List(string folder) => folder.Length == 0 && ++Lists == at ? throw new IOException("stale handle") : Inner.List(folder);
    }

    private sealed class Copying : IStatePart
    {
        private readonly List<WeakReference> _copies = [];
        public int AliveAtRestore { get; private set; } = -1;
        public string Name => "model";
        public StateMap Capture()
        {
            byte[] copy = new byte[4 << 20];
            _copies.Add(new WeakReference(copy));
            return new StateMap { ["w"] = new MemoryTensor(TensorType.U8, [copy.Length], copy) };
        }
        public void Check(StateMap saved, RestoreProblems problems) { }
        public void Restore(StateMap saved)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            AliveAtRestore = _copies.Count(copy => copy.IsAlive);
        }
    }
}
