using Cairn.Stores;
using Cairn.Tests.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace Cairn.Extensions.Tests;

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
            weights.Train(checkpoints, to).FinalCheckpoint.ShouldBe($"{to}");
        }
    }

    [Fact]
    public async Task It_is_given_by_dependency_injection_too()
    {
        await using ServiceProvider services = new ServiceCollection().AddSingleton(Store).AddCairn(options => options.HandleSignals = false).BuildServiceProvider();
        var weights = new Weights();
        await using CheckpointManager checkpoints = await services.GetRequiredService<CheckpointManagerFactory>().StartAsync(new TrainState(), [weights], TestContext.Current.CancellationToken);
        weights.Train(checkpoints, 3).FinalCheckpoint.ShouldBe("3");
        (await Store.ListAsync("3", TestContext.Current.CancellationToken)).ShouldContain(entry => entry.Name == "3.step");
    }

    private CheckpointOptions Options() => new() { Store = Store, CheckpointEvery = 10, HandleSignals = false };
}
