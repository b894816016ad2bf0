using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>Gradients of several micro-batches lead to one update: counted as one batch, or each as one.</summary>
public sealed class AccumulationTests : IDisposable
{
    const int Size = 8, Micro = 4;

    readonly string _folder = Directory.CreateTempSubdirectory("cairn-accumulation-").FullName;

    [Fact]
    public async Task Counted_as_one_batch_they_are_one_step_and_counted_apart_they_are_batches_without_one()
    {
        RunSummary together = await Train("together", 12, isApart: false), apart = await Train("apart", 12, isApart: true);
        (together.Steps, together.Batches, together.SkipsByReason.Count).ShouldBe((3, 3, 0));
        (apart.Steps, apart.Batches, apart.SkipsByReason["accumulated"]).ShouldBe((3, 12, 9));
        // Of the same samples, the same weights.
        Weights("apart").ShouldBe(Weights("together"));
    }

    [Fact]
    public async Task Interrupted_between_two_micro_batches_that_are_counted_apart_the_gradients_go_on()
    {
        await Train("whole", 12, isApart: true);
        // The sixth is the second of its update.
        await Train("parts", 6, isApart: true);
        await Train("parts", 12, isApart: true);
        Weights("parts").ShouldBe(Weights("whole"));
    }

    byte[] Weights(string run) => File.ReadAllBytes(Path.Combine(_folder, run, "3", "model_tp0_pp0.safetensors"));

    async Task<RunSummary> Train(string name, long microBatches, bool isApart)
    {
        manual_seed(4);
        using var model = nn.Linear(1, 1);
        using var optimizer = optim.SGD(model.parameters(), 0.1);
        var sampler = new ResumableSampler(100, seed: 2);
        var train = new TrainState();
        await using var checkpoints = await CheckpointManager.StartAsync(
            new CheckpointOptions { Folder = Path.Combine(_folder, name), HandleSignals = false }, train, [.. TorchState.Parts(model, optimizer, sampler: sampler), new GradientPart(model)], cancellationToken: TestContext.Current.CancellationToken);
        using var share = tensor(1f / Micro);
        using var scale = tensor(0.01f);
        while (train.ConsumedSamples < microBatches * Size)
        {
            using var scope = NewDisposeScope();
            if (train.ConsumedSamples % (Micro * Size) == 0)
                optimizer.zero_grad();
            for (int i = 0; i < (isApart ? 1 : Micro); i++)
            {
                var x = tensor(sampler.NextBatch(Size)).to(float32).unsqueeze(1) * scale;
                (nn.functional.mse_loss(model.call(x), x.sin()) * share).backward();
            }
            if (!isApart)
            {
                optimizer.step();
                train.CompleteStep(Micro * Size);
            }
            else if ((train.ConsumedSamples + Size) % (Micro * Size) == 0)
            {
                optimizer.step();
                train.CompleteStep(Size);
            }
            else
                train.SkipBatch("accumulated", Size);
            checkpoints.AfterBatch();
        }
        return checkpoints.Complete();
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
