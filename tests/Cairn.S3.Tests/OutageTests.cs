using Cairn.Stores;

namespace Cairn.S3.Tests;

/// <summary>What stops the gateway runs alone.</summary>
[CollectionDefinition(nameof(OutageTests), DisableParallelization = true)]
[Collection(nameof(OutageTests))]
public sealed class OutageTests(ObjectGateway gateway)
{
    private const int Block = S3Parts.BlockBytes;
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_upload_goes_on_when_the_service_was_killed_in_the_middle_of_it_and_has_come_back()
    {
        await using S3RunStore store = gateway.NewStore();
        byte[] bytes = new byte[8 * Block];
        new Random(11).NextBytes(bytes);
        await using (IStoreWriter writer = await store.CreateAsync("model", bytes.Length, Token))
        {
            Task Write(int block) => writer.WriteAsync(block * Block, bytes.AsMemory(block * Block, Block), Token).AsTask();
            await Write(0);
            Task[] underWay = [Write(1), Write(2), Write(3)];
            gateway.Kill();
            Task[] whileItIsGone = [Write(4), Write(5), Write(6)];
            gateway.Start();
            await Task.WhenAll([.. underWay, .. whileItIsGone, Write(7)]);
            await writer.CompleteAsync(Token);
        }
        (await Objects.ReadAsync(store, "model", Token)).AsSpan().SequenceEqual(bytes).ShouldBeTrue();
    }

    [Fact]
    public async Task A_save_that_the_service_does_not_answer_fails_and_the_next_one_is_whole()
    {
        S3StoreOptions options = gateway.Options;
        options.RetryFor = TimeSpan.FromSeconds(1);
        await using var store = new S3RunStore(ObjectGateway.NewAddress(), options);
        (var train, var model) = (new TrainState(), new Program.Counting(1000));
        var reports = new List<SaveReport>();
        await using CheckpointManager run = await CheckpointManager.StartAsync(new CheckpointOptions { Store = store, CheckpointEvery = 1, Asynchronous = false, HandleSignals = false }, train, [model], cancellationToken: Token);
        run.SaveEnded += (_, report) => reports.Add(report);
        void Step()
        {
            model.Value++;
            train.CompleteStep();
            run.AfterBatch();
        }
        Step();
        gateway.Kill();
        Step();
        gateway.Start();
        Step();
        run.Complete().FinalCheckpoint.ShouldBe("3");
        reports.Where(report => report.Kind == Policies.SaveKind.Checkpoint).Select(report => (report.Step, report.Outcome))
            .ShouldBe([(1, SaveOutcome.Saved), (2, SaveOutcome.Failed), (3, SaveOutcome.Saved)]);
    }

    [Fact]
    public async Task With_a_fast_folder_training_goes_on_while_the_service_is_away_and_all_is_there_once_it_is_back()
    {
        S3StoreOptions options = gateway.Options;
        options.RetryFor = TimeSpan.FromSeconds(1);
        await using var store = new S3RunStore(ObjectGateway.NewAddress(), options);
        DirectoryInfo fast = Directory.CreateTempSubdirectory("cairn-fast-");
        (var train, var model) = (new TrainState(), new Program.Counting(1000));
        var reports = new List<SaveReport>();
        await using (CheckpointManager run = await CheckpointManager.StartAsync(
            new CheckpointOptions { Store = store, FastFolder = fast.FullName, CheckpointEvery = 10, SnapshotEvery = 1, HandleSignals = false }, train, [model], cancellationToken: Token))
        {
            run.SaveEnded += (_, report) => reports.Add(report);
            void StepTo(long step)
            {
                while (train.Step < step)
                {
                    model.Value++;
                    train.CompleteStep();
                    run.AfterBatch();
                }
            }
            StepTo(5);
            gateway.Kill();
            // The service comes back only after these steps: whoever waits for it waits for ever.
            StepTo(26);
            run.LastRecoverable.ShouldNotBeNull().ShouldBeGreaterThanOrEqualTo(10);
            run.LastCheckpoint.ShouldBeNull();
            gateway.Start();
            // What was tried while it was away may fail yet, and is tried again.
            using var never = new ManualResetEventSlim();
            while (run.LastCheckpoint is null)
            {
                run.Poll();
                never.Wait(10, Token);
            }
            StepTo(31);
            run.Complete().FinalCheckpoint.ShouldBe("31");
        }
        reports.Where(report => report is { Kind: Policies.SaveKind.Checkpoint, Outcome: SaveOutcome.Saved }).Select(report => report.Step).ShouldBe([10, 20, 30, 31]);
        fast.Delete(recursive: true);
    }
}
