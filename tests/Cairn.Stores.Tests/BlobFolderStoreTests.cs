using Cairn.State;
using Cairn.Tests.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace Cairn.Stores.Tests;

/// <summary>One class is all that a store of one's own takes.</summary>
public sealed class BlobFolderStoreTests : RunStoreConformance, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-");

    protected override IRunStore Store => field ??= new BlobFolderStore(_folder.FullName, TimeSpan.FromMilliseconds(2));

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_run_trains_in_it_and_goes_on()
    {
        foreach ((long from, long to) in new[] { (0L, 12L), (12L, 25L) })
        {
            (TrainState train, Weights weights) = (new TrainState(), new Weights());
            await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(Options(), train, [weights], cancellationToken: TestContext.Current.CancellationToken);
            train.Step.ShouldBe(from);
            weights.Value.ShouldBe(from);
            Train(checkpoints, weights, to).FinalCheckpoint.ShouldBe($"{to}");
        }
    }

    [Fact]
    public async Task It_is_given_by_dependency_injection_too()
    {
        await using ServiceProvider services = new ServiceCollection().AddSingleton(Store).AddCairn(options => options.HandleSignals = false).BuildServiceProvider();
        var weights = new Weights();
        await using CheckpointManager checkpoints = await services.GetRequiredService<CheckpointManagerFactory>().StartAsync(new TrainState(), [weights], TestContext.Current.CancellationToken);
        Train(checkpoints, weights, 3).FinalCheckpoint.ShouldBe("3");
        (await Store.ListAsync("3", TestContext.Current.CancellationToken)).ShouldContain(entry => entry.Name == "3.step");
    }

    private static RunSummary Train(CheckpointManager checkpoints, Weights weights, long until)
    {
        while (checkpoints.Train.Step < until)
        {
            weights.Value++;
            checkpoints.Train.CompleteStep();
            checkpoints.AfterBatch();
        }
        return checkpoints.Complete();
    }

    private CheckpointOptions Options() => new() { Store = Store, CheckpointEvery = 10, HandleSignals = false };

    private sealed class Weights : IStatePart
    {
        public float Value { get; set; }
        public string Name => "model";
        public StateMap Capture() => new() { { "w", new MemoryTensor(TensorType.F32, [1], BitConverter.GetBytes(Value)) } };

        public void Check(StateMap saved, RestoreProblems problems)
        {
            if (!saved.ContainsKey("w"))
                problems.AddMissing("w");
        }

        public void Restore(StateMap saved)
        {
            byte[] bytes = new byte[4];
            ((StateTensor)saved["w"]).CopyTo(0, bytes);
            Value = BitConverter.ToSingle(bytes);
        }
    }
}
