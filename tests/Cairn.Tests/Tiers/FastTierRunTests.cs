using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;
using Cairn.Tests.Manager;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Tiers;

/// <summary>A run of one rank with a fast folder in front of its home.</summary>
public sealed class FastTierRunTests : IDisposable
{
    private readonly TemporaryFolder _fast = new();
    private readonly MemoryRunStore _store = new();
    private readonly List<SaveReport> _reports = [];

    public void Dispose() => _fast.Dispose();

    private StoreFiles Home => new(_store);

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_copy_is_recoverable_first_and_durable_then_and_the_folder_is_freed_at_the_end(bool asynchronous)
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = await Start(training, asynchronous, totalSteps: 22);
        while (training.Train.Step < 22)
            Step(training, checkpoints);
        RunSummary summary = checkpoints.Complete();
        summary.FinalCheckpoint.ShouldBe("22");
        _reports.ShouldAllBe(report => report.IsComplete || (report.Outcome == SaveOutcome.Dropped && report.Kind == SaveKind.Snapshot));
        foreach (long step in (long[])[10, 20, 22])
        {
            SaveReport[] both = [.. _reports.Where(report => report.Kind == SaveKind.Checkpoint && report.Step == step)];
            both.Select(report => report.Outcome).ShouldBe([SaveOutcome.Recoverable, SaveOutcome.Saved]);
            both[0].Folder!.ShouldStartWith(_fast.Path);
            both[1].Folder.ShouldBe($"{step}");
        }
        summary.Saves.ShouldBe(_reports.Count(report => report.Outcome == SaveOutcome.Recoverable));
        Catalog home = Catalog.Read(Home);
        home.Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step).ShouldBe([22, 20, 10]);
        home.Entries.ShouldAllBe(entry => Verifier.Verify(Home, entry, default) == null);
        FastFiles().ShouldBeEmpty();
    }

    [Fact]
    public async Task While_the_home_refuses_training_goes_on_and_what_is_there_is_brought_by_the_next_start()
    {
        var first = new SampleTraining();
        _store.Before = Refuse;
        CheckpointManager checkpoints = await Start(first);
        for (int i = 0; i < 24; i++)
            Step(first, checkpoints);
        // The two checkpoints that wait fill it; the end takes the place of the older one.
        (checkpoints.LastCheckpoint, checkpoints.LastSnapshot, checkpoints.LastRecoverable).ShouldBe((null, null, 20L));
        Should.Throw<CheckpointException>(checkpoints.Complete).Message.ShouldContain("has not taken it");
        checkpoints.LastRecoverable.ShouldBe(24);
        await Should.ThrowAsync<CheckpointException>(async () => await checkpoints.DisposeAsync());
        Catalog.Read(Home).Entries.ShouldBeEmpty();

        // Also while the home still refuses.
        var second = new SampleTraining();
        checkpoints = await Start(second);
        checkpoints.Resume.Step.ShouldBe(24);
        checkpoints.Resume.Source!.ShouldStartWith(_fast.Path);
        (second.Train.Batch, second.Weights.Value).ShouldBe((24, first.Weights.Value));
        _store.Before = static (_, _) => ValueTask.CompletedTask;
        Step(second, checkpoints);
        checkpoints.Complete().FinalCheckpoint.ShouldBe("25");
        await checkpoints.DisposeAsync();
        Catalog.Read(Home).Entries.Where(entry => entry.Kind == SaveKind.Checkpoint).Select(entry => entry.Step).ShouldBe([25, 24, 20]);
    }

    [Fact]
    public async Task A_home_that_is_slow_gets_every_checkpoint_and_the_folder_never_holds_more_than_two_copies()
    {
        using var gate = new SemaphoreSlim(0);
        _store.Before = async (_, path) =>
        {
            if (path.StartsWith(RunFolder.Staging, StringComparison.Ordinal))
                await gate.WaitAsync();
        };
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = await Start(training);
        for (int i = 0; i < 18; i++)
        {
            Step(training, checkpoints);
            FastFolders().Length.ShouldBeLessThanOrEqualTo(2);
        }
        // The first snapshot is on its way, the checkpoint waits, and there is no place for more.
        _reports.Where(report => report.Outcome == SaveOutcome.Dropped).ShouldNotBeEmpty();
        checkpoints.LastRecoverable.ShouldBe(10);
        _reports.ShouldAllBe(report => report.Outcome != SaveOutcome.Failed);
        gate.Release(1000);
        for (int i = 18; i < 40; i++)
            Step(training, checkpoints);
        checkpoints.Complete();
        _reports.Where(report => report is { Kind: SaveKind.Checkpoint, Outcome: SaveOutcome.Saved }).Select(report => report.Step).ShouldBe([10, 20, 30, 40]);
    }

    [Fact]
    public async Task A_damaged_copy_in_the_folder_is_passed_over()
    {
        var first = new SampleTraining();
        _store.Before = Refuse;
        CheckpointManager checkpoints = await Start(first);
        for (int i = 0; i < 24; i++)
            Step(first, checkpoints);
        await Should.ThrowAsync<CheckpointException>(async () => await checkpoints.DisposeAsync());
        _store.Before = static (_, _) => ValueTask.CompletedTask;
        string newest = FastFolders().Single(folder => File.Exists(Path.Join(folder, "24.step")));
        string model = Directory.GetFiles(newest, "model*").Single();
        byte[] bytes = await File.ReadAllBytesAsync(model, TestContext.Current.CancellationToken);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(model, bytes, TestContext.Current.CancellationToken);

        var second = new SampleTraining();
        await using CheckpointManager again = await Start(second);
        again.Resume.Step.ShouldBeLessThan(24);
        again.Resume.PassedOver.ShouldHaveSingleItem().Reason.ShouldContain("altered");
        Step(second, again);
        again.Complete();
        Catalog.Read(Home).Entries.ShouldAllBe(entry => Verifier.Verify(Home, entry, default) == null);
        Catalog.Read(Home).Entries.ShouldNotContain(entry => entry.Step == 24);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_any_more_is_left_out()
    {
        var training = new SampleTraining();
        await using CheckpointManager checkpoints = await Start(training);
        for (int i = 0; i < 8; i++)
            Step(training, checkpoints);
        string run = Directory.GetDirectories(_fast.Path).Single();
        foreach (string entry in Directory.GetFileSystemEntries(run).Where(entry => !entry.EndsWith(".lock", StringComparison.Ordinal)))
            Directory.Delete(entry, recursive: true);
        await File.WriteAllTextAsync(Path.Join(run, ".staging"), "in the way", TestContext.Current.CancellationToken);
        for (int i = 8; i < 12; i++)
            Step(training, checkpoints);
        SaveReport direct = _reports.Single(report => report is { Kind: SaveKind.Checkpoint, Step: 10 });
        direct.Outcome.ShouldBe(SaveOutcome.Saved);
        direct.Notes.ShouldContain(note => note.Contains("did not take it", StringComparison.Ordinal));
        checkpoints.Complete().FinalCheckpoint.ShouldBe("12");
    }

    [Fact]
    public async Task A_newer_line_wins_over_what_an_older_one_left_in_the_folder()
    {
        var first = new SampleTraining();
        CheckpointManager checkpoints = await Start(first);
        for (int i = 0; i < 10; i++)
            Step(first, checkpoints);
        checkpoints.Complete();
        _store.Before = Refuse;
        for (int i = 10; i < 24; i++)
            Step(first, checkpoints);
        await Should.ThrowAsync<CheckpointException>(async () => await checkpoints.DisposeAsync());
        _store.Before = static (_, _) => ValueTask.CompletedTask;

        // On another machine, which does not see the folder.
        var elsewhere = new SampleTraining();
        await using (CheckpointManager other = await CheckpointManager.StartAsync(new CheckpointOptions { Store = _store, CheckpointEvery = 10, HandleSignals = false }, elsewhere.Train, [elsewhere.Weights], cancellationToken: TestContext.Current.CancellationToken))
        {
            other.Resume.Step.ShouldBe(10);
            elsewhere.Train.SkipBatch("another way");
            other.AfterBatch();
            for (int i = 0; i < 3; i++)
            {
                elsewhere.Batch();
                other.AfterBatch();
            }
            other.Complete().FinalCheckpoint.ShouldBe("13");
        }
        var again = new SampleTraining();
        await using CheckpointManager back = await Start(again);
        back.Resume.Step.ShouldBe(13);
        again.Weights.Value.ShouldBe(elsewhere.Weights.Value);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_used_is_refused_before_the_first_step()
    {
        string file = Path.Join(_fast.Path, "file");
        await File.WriteAllTextAsync(file, "", TestContext.Current.CancellationToken);
        var training = new SampleTraining();
        CheckpointOptions options = Options();
        options.FastFolder = file;
        StoreException refused = await Should.ThrowAsync<StoreException>(() => CheckpointManager.StartAsync(options, training.Train, [training.Weights], cancellationToken: TestContext.Current.CancellationToken));
        refused.Message.ShouldContain("fast folder");
        refused.Message.ShouldContain("FastFolder");
    }

    private static ValueTask Refuse(StoreChange change, string path) =>
        path.StartsWith(RunFolder.Staging, StringComparison.Ordinal) ? throw new IOException("The store is away.") : ValueTask.CompletedTask;

    private void Step(SampleTraining training, CheckpointManager checkpoints)
    {
        training.Batch();
        checkpoints.AfterBatch();
        checkpoints.WaitForSave();
    }

    private string[] FastFolders() => [.. Directory.GetDirectories(_fast.Path, "copy-*", SearchOption.AllDirectories)];

    private string[] FastFiles() => [.. Directory.GetFiles(_fast.Path, "*", SearchOption.AllDirectories).Where(file => !Path.GetFileName(file).StartsWith('.'))];

    private CheckpointOptions Options() => new() { Store = _store, FastFolder = _fast.Path, CheckpointEvery = 10, HandleSignals = false };

    private async Task<CheckpointManager> Start(SampleTraining training, bool asynchronous = true, long? totalSteps = null)
    {
        CheckpointOptions options = Options();
        (options.Asynchronous, options.TotalSteps) = (asynchronous, totalSteps);
        CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, training.Train, [training.Weights], cancellationToken: TestContext.Current.CancellationToken);
        checkpoints.SaveEnded += (_, report) => _reports.Add(report);
        return checkpoints;
    }
}
