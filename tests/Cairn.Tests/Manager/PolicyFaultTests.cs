using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.Stores;
using Cairn.Tests.Manager.Job;
using Cairn.Tests.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Cairn.Tests.Manager;

/// <summary>Rules may be anybody's: one that throws or lies costs no copy that is needed, no end, and no rank its place.</summary>
public class PolicyFaultTests
{
    [Fact]
    public async Task A_save_policy_that_throws_counts_as_not_due_is_told_once_and_the_end_is_saved()
    {
        var (training, log) = (new SampleTraining(), new RecordedLog());
        await using CheckpointManager checkpoints = CheckpointManager.Start(
            new SimulatedFileSystem(), Options(new Throwing(from: 5)), training.Train, [training.Weights], log, cancellationToken: TestContext.Current.CancellationToken);
        training.TrainTo(checkpoints, 10);
        checkpoints.LastCheckpoint.ShouldBe(4);
        checkpoints.RequestSave();
        checkpoints.AfterBatch();
        checkpoints.LastCheckpoint.ShouldBe(10);
        training.Batch();
        checkpoints.Complete().FinalCheckpoint.ShouldBe("11");
        log.At(LogLevel.Warning).ShouldHaveSingleItem().ShouldContain("CheckpointPolicy or SnapshotPolicy failed at step 5");
    }

    [Fact]
    public void A_save_policy_that_throws_on_the_first_rank_leaves_all_ranks_where_they_are()
    {
        using var folder = new TemporaryFolder();
        var job = new JobOfThreads(new LocalFileSystem(folder.Path));
        job.Run(new World(1, 1, 2, 1), rank => rank.Train(rank.Start(Options(new Throwing(from: 5), folder.Path)), 10));
        job.Ranks.Select(rank => rank.Reports.Last()).ShouldAllBe(last => last.Step == 10 && last.Outcome == SaveOutcome.Saved);
    }

    [Fact]
    public async Task A_rule_for_keeping_cannot_take_away_what_must_stay()
    {
        var files = new SimulatedFileSystem();
        CheckpointOptions options = Options(SavePolicy.EverySteps(2));
        options.RetentionPolicy = new Clearing();
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = training.Start(files, options);
        training.TrainTo(checkpoints, 6);
        files.FolderExists("6").ShouldBeTrue();
        files.FolderExists("4").ShouldBeFalse();
    }

    [Fact]
    public async Task Keep_rules_win_over_a_registered_policy_and_a_given_policy_over_both()
    {
        foreach ((int? keepLast, IRetentionPolicy? given, string expected) in new (int?, IRetentionPolicy?, string)[] { (2, null, "the last 2"), (null, Retention.KeepLast(3), "the last 3"), (null, null, "the last 5") })
        {
            var services = new ServiceCollection();
            services.AddSingleton(Retention.KeepLast(5));
            services.AddCairn(options => (options.Folder, options.KeepLast, options.RetentionPolicy) = ("run", keepLast, given));
            await using ServiceProvider provider = services.BuildServiceProvider();
            provider.GetRequiredService<Microsoft.Extensions.Options.IOptions<CheckpointOptions>>().Value.CreateRetention().Describe.ShouldBe(expected);
        }
    }

    [Fact]
    public void With_a_policy_for_checkpoints_alone_there_are_no_hidden_snapshots_and_it_is_said()
    {
        CheckpointOptions options = new() { Folder = "run", CheckpointPolicy = SavePolicy.EverySteps(7) };
        options.CreateSchedule().SnapshotPolicy.Describe.ShouldBe("never");
        options.Warnings().ShouldHaveSingleItem().ShouldContain("nothing says when snapshots are due");
        options.SnapshotEvery = 0;
        options.Warnings().ShouldBeEmpty();
    }

    private static CheckpointOptions Options(ISavePolicy policy, string folder = "run") =>
        new() { Folder = folder, CheckpointPolicy = policy, SnapshotEvery = 0, Asynchronous = false, HandleSignals = false };

    private sealed class Throwing(long from) : ISavePolicy
    {
        public string Describe => "throws";
        public bool IsDue(in SavePoint point) => point.Step < from ? point.Step % 2 == 0 : throw new InvalidOperationException("rule of the user's");
    }

    private sealed class Clearing : IRetentionPolicy
    {
        public string Describe => "nothing";

        public IReadOnlySet<long> Keep(IReadOnlyList<RetainedCheckpoint> checkpoints, IReadOnlySet<long> protectedSteps)
        {
            (protectedSteps as HashSet<long>)?.Clear();
            return new HashSet<long>();
        }
    }
}
