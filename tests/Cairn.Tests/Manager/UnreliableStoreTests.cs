using Cairn.Stores;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Manager;

/// <summary>Runs in a store that does not keep its word: nothing that was said to be saved is lost, and no wrong value is ever loaded.</summary>
public class UnreliableStoreTests
{
    private const int Lives = 4, BatchesOfALife = 13, MostStarts = 50;

    [Theory]
    [InlineData(Unreliability.Flaky, false)]
    [InlineData(Unreliability.Flaky, true)]
    [InlineData(Unreliability.Slow, true)]
    [InlineData(Unreliability.Truncating, false)]
    [InlineData(Unreliability.Truncating, true)]
    [InlineData(Unreliability.Lying, false)]
    [InlineData(Unreliability.Lying, true)]
    public async Task Whatever_was_said_to_be_saved_is_gone_on_from_bit_for_bit(Unreliability how, bool asynchronous)
    {
        float[] values = Values(Lives * BatchesOfALife + 1);
        int faults = 0, saved = 0, unsaved = 0;
        int runs = RandomFaults.Count(some: 8, all: 25), least = RandomFaults.Count(some: 6, all: 25), first = Random.Shared.Next(1_000_000);
        for (int seed = first; seed < first + runs; seed++)
        {
            var objects = new MemoryRunStore();
            long promised = 0;
            for (int life = 0; life < Lives; life++)
            {
                var store = new UnreliableRunStore(objects, how, (seed * Lives) + life);
                var training = new SampleTraining();
                CheckpointManager checkpoints = await Started(store, training, asynchronous);
                string story = $"seed {seed}, life {life}";
                training.Train.Step.ShouldBeGreaterThanOrEqualTo(promised, story);
                training.Weights.Value.ShouldBe(values[training.Train.Step], story);
                bool lives = true;
                checkpoints.SaveEnded += (_, report) =>
                {
                    if (!lives)
                        return;
                    (saved, unsaved) = report.Outcome == SaveOutcome.Saved ? (saved + 1, unsaved) : (saved, unsaved + 1);
                    if (report.Outcome == SaveOutcome.Saved)
                        promised = Math.Max(promised, report.Step);
                };
                for (int batch = 0; batch < BatchesOfALife; batch++)
                {
                    training.Batch();
                    checkpoints.AfterBatch();
                    checkpoints.WaitForSave();
                }
                checkpoints.Poll();
                // What a process that is killed leaves: the store as it is, and its lock in it.
                objects = objects.Copy();
                (lives, store.IsMended) = (false, true);
                await checkpoints.DisposeAsync();
                faults += store.Faults;
            }
            var last = new SampleTraining();
            await using CheckpointManager end = await CheckpointManager.StartAsync(Options(objects, asynchronous), last.Train, [last.Weights], cancellationToken: TestContext.Current.CancellationToken);
            last.Train.Step.ShouldBeGreaterThanOrEqualTo(promised, $"seed {seed}, at the end");
            last.Weights.Value.ShouldBe(values[last.Train.Step], $"seed {seed}, at the end");
        }
        saved.ShouldBeGreaterThan(least);
        if (how == Unreliability.Slow)
            unsaved.ShouldBe(0);
        else
            faults.ShouldBeGreaterThan(least);
    }

    // A start that the store refuses is tried again, as a scheduler does.
    private static async Task<CheckpointManager> Started(UnreliableRunStore store, SampleTraining training, bool asynchronous)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                return await CheckpointManager.StartAsync(Options(store, asynchronous), training.Train, [training.Weights], cancellationToken: TestContext.Current.CancellationToken);
            }
            catch (Exception e) when (e is IOException or CheckpointException && tries < MostStarts)
            {
                // It says why.
            }
        }
    }

    private static CheckpointOptions Options(IRunStore store, bool asynchronous) => new()
    {
        Store = store,
        CheckpointEvery = 10,
        SnapshotEvery = 3,
        KeepLast = 2,
        Asynchronous = asynchronous,
        HandleSignals = false,
    };

    private static float[] Values(int steps)
    {
        var training = new SampleTraining();
        var values = new float[steps + 1];
        values[0] = training.Weights.Value;
        for (int step = 1; step <= steps; step++)
        {
            training.Batch();
            values[step] = training.Weights.Value;
        }
        return values;
    }
}
