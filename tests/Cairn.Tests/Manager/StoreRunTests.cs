using System.Text;
using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>A run that lives in an object store, from its start to its end.</summary>
public class StoreRunTests
{
    private readonly MemoryRunStore _store = new();

    private IFileSource Files => new StoreFiles(_store);

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_run_saves_both_tiers_and_the_end_and_goes_on_where_it_was(bool asynchronous)
    {
        var first = new SampleTraining();
        await using (CheckpointManager checkpoints = await Start(first, asynchronous))
        {
            checkpoints.Resume.IsFresh.ShouldBeTrue();
            for (int i = 0; i < 23; i++)
            {
                first.Batch(overflow: i == 7);
                checkpoints.AfterBatch();
                checkpoints.WaitForSave();
            }
            checkpoints.Complete().FinalCheckpoint.ShouldBe("22");
        }
        Catalog.Read(Files).Entries.Select(entry => (entry.Step, entry.Marker?.Kind))
            .ShouldBe([(22, SaveKind.Checkpoint), (22, SaveKind.Snapshot), (20, SaveKind.Checkpoint), (18, SaveKind.Snapshot), (10, SaveKind.Checkpoint)]);
        Catalog.Read(Files).Entries.ShouldAllBe(entry => Verifier.Verify(Files, entry, default) == null);
        string[] journal =
        [
            .. _store.Objects.Where(file => file.Key.StartsWith(RunFolder.Journal + "/", StringComparison.Ordinal)).OrderBy(file => file.Key, StringComparer.Ordinal)
                .SelectMany(file => Encoding.UTF8.GetString(file.Value).Split('\n', StringSplitOptions.RemoveEmptyEntries)),
        ];
        journal[0].ShouldContain("\"started\"");
        journal[^1].ShouldContain("\"finished\"");

        var second = new SampleTraining();
        await using (CheckpointManager checkpoints = await Start(second, asynchronous))
        {
            checkpoints.Resume.Step.ShouldBe(22);
            checkpoints.Resume.LostSteps.ShouldBe(0);
            (second.Train.Batch, second.Weights.Value).ShouldBe((23, first.Weights.Value));
            second.Batch();
            checkpoints.AfterBatch();
            checkpoints.Complete().FinalCheckpoint.ShouldBe("23");
        }
        _store.Objects.Keys.ShouldAllBe(path => !path.StartsWith(RunFolder.Staging, StringComparison.Ordinal) && !path.StartsWith(".probe", StringComparison.Ordinal) && !path.StartsWith(".lock.after", StringComparison.Ordinal));
    }

    [Fact]
    public void All_ranks_save_one_copy_and_go_on_from_it()
    {
        var disk = new SimulatedFileSystem();
        foreach (long until in (long[])[27, 40])
        {
            var job = new JobOfThreads(disk);
            job.Run(JobTests.Four, rank =>
            {
                CheckpointOptions options = JobTests.Options();
                options.Store = _store;
                JobTests.Run(rank, options, until);
            });
            foreach (RankOfThreads rank in job.Ranks)
                rank.Reports.ShouldAllBe(report => report.Outcome == SaveOutcome.Saved);
        }
        new JobOfThreads(disk).Run(JobTests.Four, rank => JobTests.Run(rank, JobTests.Options(), 40));
        JobTests.Whole(Files, 40).ShouldBe(JobTests.Whole(disk, 40));
        _store.Objects.Keys.ShouldAllBe(path => !path.StartsWith(RunFolder.Staging, StringComparison.Ordinal));
    }

    [Theory, InlineData("22/22.step"), InlineData("model_tp0_pp0")]
    public async Task A_copy_that_the_store_does_not_give_now_is_not_passed_over_for_an_older_one(string path)
    {
        var first = new SampleTraining();
        await using (CheckpointManager checkpoints = await Start(first, asynchronous: false))
        {
            for (int i = 0; i < 22; i++)
            {
                first.Batch();
                checkpoints.AfterBatch();
            }
            checkpoints.Complete();
        }
        _store.CannotOpen = opened => opened.Contains(path, StringComparison.Ordinal);
        StoreException refused = await Should.ThrowAsync<StoreException>(() => Start(new SampleTraining(), asynchronous: false));
        refused.Message.ShouldContain("cannot be looked at now (");
        refused.IsTransient.ShouldBeTrue();
        _store.CannotOpen = static _ => false;
        await using CheckpointManager again = await Start(new SampleTraining(), asynchronous: false);
        (again.Resume.Step, again.Resume.PassedOver.Count).ShouldBe((22, 0));
    }

    [Fact]
    public async Task A_second_process_is_refused_while_the_first_trains()
    {
        await using CheckpointManager checkpoints = await Start(new SampleTraining(), asynchronous: true);
        await Should.ThrowAsync<RunLockedException>(() => Start(new SampleTraining(), asynchronous: true));
    }

    [Fact]
    public async Task A_store_that_cannot_put_only_where_nothing_is_is_refused_at_the_start()
    {
        StoreException refused = await Should.ThrowAsync<StoreException>(() => CheckpointManager.StartAsync(Options(new Careless(_store)), new TrainState(), [new WeightsPart()], cancellationToken: TestContext.Current.CancellationToken));
        refused.Message.ShouldContain("only to be put where none is");
    }

    [Fact]
    public async Task A_stop_that_is_asked_for_in_the_store_is_heard()
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = await Start(training, asynchronous: false);
        StoreCall.Wait(() => _store.PutAsync(RunFolder.Command, "stop\n"u8.ToArray()));
        bool goesOn = true;
        while (goesOn)
        {
            training.Batch();
            goesOn = checkpoints.AfterBatch();
        }
        checkpoints.StopRequested.ShouldBeTrue();
        checkpoints.Complete().FinalCheckpoint.ShouldBe($"{training.Train.Step}");
        _store.Objects.ContainsKey(RunFolder.Command).ShouldBeFalse();
    }

    private static CheckpointOptions Options(IRunStore store) => new() { Store = store, CheckpointEvery = 10, HandleSignals = false };

    private async Task<CheckpointManager> Start(SampleTraining training, bool asynchronous)
    {
        CheckpointOptions options = Options(_store);
        options.Asynchronous = asynchronous;
        return await CheckpointManager.StartAsync(options, training.Train, [training.Weights], cancellationToken: TestContext.Current.CancellationToken);
    }

    private sealed class Careless(IRunStore inner) : IRunStore
    {
        public string Root => inner.Root;
        public ValueTask<IReadOnlyList<FileSystemEntry>> ListAsync(string folder, CancellationToken cancellationToken = default) => inner.ListAsync(folder, cancellationToken);
        public ValueTask<IStoreReader> OpenReadAsync(string path, CancellationToken cancellationToken = default) => inner.OpenReadAsync(path, cancellationToken);
        public ValueTask<IStoreWriter> CreateAsync(string path, long length, CancellationToken cancellationToken = default) => inner.CreateAsync(path, length, cancellationToken);
        public ValueTask PutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => inner.PutAsync(path, content, cancellationToken);
        public ValueTask DeleteAsync(string path, CancellationToken cancellationToken = default) => inner.DeleteAsync(path, cancellationToken);

        public async ValueTask<bool> TryPutAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
        {
            await inner.PutAsync(path, content, cancellationToken);
            return true;
        }
    }
}
