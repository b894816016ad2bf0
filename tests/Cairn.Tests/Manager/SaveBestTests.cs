using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Saving;
using Cairn.Stores;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Manager;

/// <summary>The best checkpoint by a metric: saved when it comes, named in the run's folder, kept while it is the best, and resumed from.</summary>
public sealed class SaveBestTests
{
    const string Loss = "validation_loss";

    readonly SimulatedFileSystem _files = new();
    readonly SampleTraining _training = new();

    internal static CheckpointOptions Options(Action<CheckpointOptions>? change = null)
    {
        var options = new CheckpointOptions { Folder = "run", CheckpointEvery = 10, SnapshotEvery = 0, KeepLast = 2, SaveBestMetric = Loss, HandleSignals = false, Asynchronous = false };
        change?.Invoke(options);
        return options;
    }

    // Measured every third step: the best is that of step 9, and the next interval's is another step.
    static readonly Dictionary<long, double> Losses = new() { [3] = 1.0, [6] = double.NaN, [9] = 0.5, [12] = 0.7, [15] = 0.5, [18] = double.NegativeInfinity, [21] = 0.6 };

    [Theory, InlineData(false, false), InlineData(true, false), InlineData(false, true), InlineData(true, true)]
    public async Task The_state_of_the_best_step_is_kept_and_named_whatever_else_goes(bool asynchronous, bool inStore)
    {
        IRunHome home = inStore ? new StoreHome(new MemoryRunStore()) : new DiskHome(_files);
        CheckpointManager checkpoints = Start(_training, home, Options(options => options.Asynchronous = asynchronous));
        var values = new Dictionary<long, float>();
        checkpoints.Train.Metrics.Count.ShouldBe(0);
        Train(_training, checkpoints, 33, values);
        checkpoints.Best.ShouldBe(new BestCheckpoint(9, Loss, 0.5, false));
        RunSummary summary = checkpoints.Complete();
        summary.Best!.Step.ShouldBe(9);
        summary.ToString().ShouldContain("The best is step 9 (validation_loss 0.5).");
        Steps(home.Files).ShouldBe([33, 30, 9]);
        BestPointer.Read(home.Files).ShouldBe(checkpoints.Best);
        CatalogEntry best = Catalog.Read(home.Files).Entries[^1];
        (best.Marker!.Reason, best.Marker.Best!.Step).ShouldBe((SaveReason.Best, 9));
        using (var loaded = CheckpointReader.Open(home.Files, "9"))
            Weight(loaded.Load("model")).ShouldBe(values[9]);
        await checkpoints.DisposeAsync();
    }

    [Fact]
    public void Higher_is_better_when_told_and_a_smaller_gain_than_the_delta_is_none()
    {
        CheckpointManager checkpoints = Start(_training, new DiskHome(_files), Options(options => (options.SaveBestHigher, options.SaveBestMinDelta, options.CheckpointEvery) = (true, 0.1, null)));
        Train(_training, checkpoints, 6, measure: step => step switch { 1 => 0.5, 2 => 0.6, 3 => 0.61, 4 => 0.2, 5 => 0.72, _ => null });
        // 0.6 is better than 0.5 by 0.1 and not by more (in binary, 0.6 - 0.5 is a little below 0.1).
        Catalog.Read(_files).Entries.Where(entry => entry.Marker!.Reason == SaveReason.Best).Select(entry => entry.Step).ShouldBe([5, 3]);
        checkpoints.Best!.Value.ShouldBe(0.72);
    }

    [Fact]
    public void At_no_moment_of_a_power_cut_does_the_pointer_name_what_is_not_there_and_a_restart_knows_the_best()
    {
        CheckpointManager checkpoints = Start(_training, new DiskHome(_files), Options(options => options.CheckpointEvery = 4));
        for (int i = 0; i < 15; i++)
        {
            Train(_training, checkpoints, i + 1, measure: step => step switch { 2 => 1.0, 5 => 0.8, 7 => 0.9, 11 => 0.4, 13 => 0.6, _ => null });
            _files.Mark($"{checkpoints.Best?.Step ?? 0}");
        }
        (int states, int restarts) = (0, Random.Shared.Next(5 * RandomFaults.Stride));
        foreach (CrashState state in _files.CrashStates())
        {
            states++;
            if (BestPointer.Read(state.FileSystem) is { } named)
                Stands(state.FileSystem, named).ShouldBeTrue($"{named}: {state.Description}");
            if (restarts++ % (5 * RandomFaults.Stride) != 0)
                continue;
            long promised = state.Marks.Count == 0 ? 0 : long.Parse(state.Marks[^1], System.Globalization.CultureInfo.InvariantCulture);
            CheckpointManager again = Start(new SampleTraining(), new DiskHome(state.FileSystem), Options(options => options.CheckpointEvery = 4));
            (again.Best?.Step ?? 0).ShouldBeGreaterThanOrEqualTo(promised, state.Description);
            BestPointer.Read(state.FileSystem).ShouldBe(again.Best, state.Description);
            if (again.Best is { } best)
                Stands(state.FileSystem, best).ShouldBeTrue(state.Description);
        }
        states.ShouldBeGreaterThan(100);
    }

    [Fact]
    public void A_lost_or_wrong_pointer_and_a_lost_best_are_made_good_from_the_markers()
    {
        Finish(_training, Start(_training, new DiskHome(_files), Options()), 24);
        _files.DeleteFile(RunFolder.Best);
        Start(new SampleTraining(), new DiskHome(_files), Options()).Best!.Step.ShouldBe(9);
        BestPointer.Read(_files)!.Step.ShouldBe(9);
        ((IRunFiles)_files).Put(RunFolder.Best, "{\"format\":1,\"step\":"u8, durable: true);
        Start(new SampleTraining(), new DiskHome(_files), Options()).Best!.Step.ShouldBe(9);
        // The best itself is gone: the best of what is left, by the metric that each has of its own step.
        new RenamePublisher(_files).Retire(9);
        CheckpointManager left = Start(new SampleTraining(), new DiskHome(_files), Options());
        left.Best.ShouldBeNull();
        _files.FileExists(RunFolder.Best).ShouldBeFalse();
    }

    [Fact]
    public void A_run_that_went_back_knows_the_best_of_its_new_line_and_no_other()
    {
        Finish(_training, Start(_training, new DiskHome(_files), Options(options => options.KeepLast = 20)), 24);
        CheckpointManager branch = Start(new SampleTraining(), new DiskHome(_files), Options(options => (options.ResumeFrom, options.Branch, options.KeepLast) = ("3", "again", 20)));
        branch.Best.ShouldBe(new BestCheckpoint(3, Loss, 1.0, false));
        BestPointer.Read(_files)!.Step.ShouldBe(3);
        BestCopy.Of(_files)!.Step.ShouldBe(3);
    }

    [Fact]
    public void A_restart_goes_on_with_the_best_and_one_without_the_option_forgets_it()
    {
        Finish(_training, Start(_training, new DiskHome(_files), Options()), 13);
        var second = new SampleTraining();
        CheckpointManager checkpoints = Start(second, new DiskHome(_files), Options());
        checkpoints.Best!.Value.ShouldBe(0.5);
        Train(second, checkpoints, 33, measure: step => step == 14 ? 0.51 : null);
        checkpoints.Complete();
        Steps(_files).ShouldBe([33, 30, 9]);
        var third = new SampleTraining();
        Finish(third, Start(third, new DiskHome(_files), Options(options => options.SaveBestMetric = null)), 41);
        Steps(_files).ShouldBe([41, 40]);
        _files.FileExists(RunFolder.Best).ShouldBeFalse();
    }

    [Fact]
    public void Resume_from_best_opens_a_branch_there_and_goes_on_on_it_after_a_crash()
    {
        Finish(_training, Start(_training, new DiskHome(_files), Options()), 24);
        Should.Throw<CheckpointException>(() => Start(new SampleTraining(), new DiskHome(_files), Options(options => options.ResumeFrom = "best"))).Message.ShouldContain("Branch");
        CheckpointOptions from = Options(options => (options.ResumeFrom, options.Branch) = ("best", "from_best"));
        var branch = new SampleTraining();
        CheckpointManager checkpoints = Start(branch, new DiskHome(_files), from);
        checkpoints.Resume.Step.ShouldBe(9);
        // A better one on the branch: the same command line is no wish to go back there.
        Train(branch, checkpoints, 12, measure: step => step == 11 ? 0.1 : null);
        checkpoints.Best!.Step.ShouldBe(11);
        CheckpointManager again = Start(new SampleTraining(), new DiskHome(_files), from);
        again.Resume.Step.ShouldBe(11);
        again.Best!.Step.ShouldBe(11);
        Should.Throw<CheckpointException>(() => Start(new SampleTraining(), new DiskHome(new SimulatedFileSystem()), Options(options => options.ResumeFrom = "best"))).Message.ShouldContain("no best checkpoint");
    }

    [Fact]
    public async Task Another_run_begins_from_the_best_of_this_one_by_its_path()
    {
        using var folder = new TemporaryFolder();
        var options = Options(options => options.Folder = folder["a"]);
        await using (CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, _training.Train, [_training.Weights], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken))
            Finish(_training, checkpoints, 24);
        var other = new SampleTraining();
        await using CheckpointManager fine = await CheckpointManager.StartAsync(
            Options(options => (options.Folder, options.ResumeFrom) = (folder["b"], Path.Join(folder["a"], "best"))), other.Train, [other.Weights], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
        fine.Resume.Step.ShouldBe(9);
        fine.Best.ShouldBeNull();
        using var read = CheckpointReader.Open(Path.Join(folder["a"], "best"));
        read.Source!.Step.ShouldBe(9);
    }

    [Fact]
    public void A_best_that_could_not_be_saved_is_none_and_the_next_improvement_is_saved()
    {
        var broken = new FailingWeights();
        var train = new TrainState();
        var checkpoints = CheckpointManager.Start(_files, Options(options => options.CheckpointEvery = null), train, [broken], NullLoggerFactory.Instance, cancellationToken: TestContext.Current.CancellationToken);
        void Step(double loss, bool fails)
        {
            train.CompleteStep();
            train.Metrics[Loss] = loss;
            broken.Fails = fails;
            checkpoints.AfterBatch();
        }
        Step(1.0, false);
        Step(0.5, true);
        checkpoints.Best!.Step.ShouldBe(1);
        Step(0.7, false);
        checkpoints.Best.Step.ShouldBe(3);
        BestPointer.Read(_files)!.Value.ShouldBe(0.7);
    }

    [Fact]
    public void A_metric_that_comes_after_its_step_is_told_once_and_changes_nothing()
    {
        using var log = new RecordedLog();
        var checkpoints = CheckpointManager.Start(_files, Options(), _training.Train, [_training.Weights], log, cancellationToken: TestContext.Current.CancellationToken);
        for (int i = 0; i < 3; i++)
        {
            _training.Batch();
            checkpoints.AfterBatch();
            _training.Train.Metrics[Loss] = 0.1;
        }
        checkpoints.Best.ShouldBeNull();
        log.At(Microsoft.Extensions.Logging.LogLevel.Warning).Count(line => line.Contains("after AfterBatch", StringComparison.Ordinal)).ShouldBe(1);
        checkpoints.Complete();
        checkpoints.Best.ShouldNotBeNull().Step.ShouldBe(3);
    }

    [Fact]
    public void All_ranks_follow_the_first_ones_value_and_know_the_same_best()
    {
        var job = new JobOfThreads(_files);
        CheckpointOptions options = Options(options => (options.RankTimeout, options.LoadBestModelAtEnd) = (TimeSpan.FromMinutes(2), true));
        job.Run(JobTests.Four, rank =>
        {
            CheckpointManager checkpoints = rank.Start(options);
            Training(rank, checkpoints, 13);
            checkpoints.Best!.Step.ShouldBe(9);
        });
        // Each rank's model is its own share of the best, and all go on from the last.
        float[][] best = [.. job.Ranks.Select(rank => rank.Training.Model.Cuts[0].Values.ToArray())];
        var alone = new JobOfThreads(new SimulatedFileSystem());
        alone.Run(JobTests.Four, rank => Training(rank, rank.Start(Options(options => options.RankTimeout = TimeSpan.FromMinutes(2))), 9));
        best.ShouldBe(alone.Ranks.Select(rank => rank.Training.Model.Cuts[0].Values));
        new JobOfThreads(_files).Run(new World(1, 1, 2, 1), rank =>
        {
            CheckpointManager checkpoints = rank.Start(options);
            (checkpoints.Resume.Step, checkpoints.Best!.Step).ShouldBe((13, 9));
        });
    }

    static void Training(RankOfThreads rank, CheckpointManager checkpoints, long until)
    {
        while (rank.Training.Train.Step < until)
        {
            rank.Training.Batch();
            // Only the first rank evaluates, or the others have values of their own.
            if (Losses.TryGetValue(rank.Training.Train.Step, out double loss) && rank.Rank != 1)
                rank.Training.Train.Metrics[Loss] = rank.Rank == 0 ? loss : -loss;
            checkpoints.AfterBatch();
        }
    }

    internal static CheckpointManager Start(SampleTraining training, IRunHome home, CheckpointOptions options) => CheckpointManager.Start(home, options, training.Train, [training.Weights], NullLoggerFactory.Instance);

    internal static void Train(SampleTraining training, CheckpointManager checkpoints, long until, Dictionary<long, float>? values = null, Func<long, double?>? measure = null)
    {
        while (training.Train.Step < until)
        {
            training.Batch();
            double? loss = measure is not null ? measure(training.Train.Step) : Losses.TryGetValue(training.Train.Step, out double known) ? known : null;
            if (loss is { } value)
                training.Train.Metrics[Loss] = value;
            values?.Add(training.Train.Step, training.Weights.Value);
            checkpoints.AfterBatch();
        }
    }

    internal static void Finish(SampleTraining training, CheckpointManager checkpoints, long until)
    {
        Train(training, checkpoints, until);
        checkpoints.Complete();
    }

    static bool Stands(IFileSource files, BestCheckpoint best) =>
        CatalogEntry.At(files, RunFolder.Checkpoint(best.Step), SaveKind.Checkpoint, best.Step).Marker is { } marker && TrainState.FromState(marker.Train).OwnMetric(Loss) == best.Value;

    internal static IEnumerable<long> Steps(IFileSource files) => Catalog.Read(files).Entries.Select(entry => entry.Step);

    internal static float Weight(Cairn.State.StateMap model)
    {
        Span<byte> bytes = stackalloc byte[4];
        ((Cairn.State.StateTensor)model["w"]).CopyTo(0, bytes);
        return BitConverter.ToSingle(bytes);
    }
}
