using Cairn;
using Cairn.State;
using Cairn.TorchSharp;
using static TorchSharp.torch;

// Not in Cairn.*, where TorchSharp would mean Cairn.TorchSharp: this is a user's file.
namespace QuickStartSample;

/// <summary>The code about loaders and several models in <c>docs/training-loops.md</c>.</summary>
static class DataLoaderExample
{
    public static async Task TrainAsync(nn.Module<Tensor, Tensor> model, optim.Optimizer optimizer, utils.data.Dataset dataset, CheckpointOptions options, int epochs)
    {
        // loader begins
        using var loader = utils.data.DataLoader(dataset, batchSize: 4, num_worker: 2, drop_last: true);
        var batches = loader.Resumable(seed: 1, skipBatches: [17, 18]);
        var train = new TrainState();
        await using var checkpoints = await CheckpointManager.StartAsync(
            options, train, TorchState.Parts(model, optimizer, sampler: batches));
        bool goesOn = !train.IsComplete;
        while (goesOn && batches.Epoch < epochs)
        {
            foreach (var batch in batches)                                  // what is left of this epoch
            {
                optimizer.zero_grad();
                using var loss = nn.functional.mse_loss(model.call(batch["x"]), batch["y"]);
                loss.backward();
                optimizer.step();
                train.CompleteStep(samples: 4);
                if (!(goesOn = checkpoints.AfterBatch()))
                    break;
            }
            if (goesOn)
                train.CompleteEpoch();
        }
        checkpoints.Complete();
        // loader ends
    }

    public static IReadOnlyList<IStatePart> Several(nn.Module g, nn.Module d, optim.Optimizer gOptimizer, optim.Optimizer dOptimizer, IStatePart batches)
    {
        // several begins
        var parts = TorchState.Parts(
            models: [("generator", g), ("discriminator", d)],
            optimizers: [("generator", gOptimizer), ("discriminator", dOptimizer)],
            sampler: batches);
        // several ends
        return parts;
    }
}
