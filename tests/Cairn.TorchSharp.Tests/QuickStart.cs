using Cairn;
using Cairn.TorchSharp;
using static TorchSharp.torch;

// Not in Cairn.*, where TorchSharp would mean Cairn.TorchSharp: this is a user's file.
namespace QuickStartSample;

/// <summary>The README's quick start. What stands between the two marks is what the READMEs show between the program's arguments and what it prints.</summary>
static class QuickStart
{
    public static async Task<RunSummary> TrainAsync(string folder, long steps)
    {
        // quick start begins
        using var model = nn.Sequential(("hidden", nn.Linear(3, 16)), ("act", nn.Tanh()), ("out", nn.Linear(16, 1)));
        using var optimizer = optim.AdamW(model.parameters(), lr: 0.01);
        var sampler = new ResumableSampler(datasetSize: 1000, seed: 1);     // instead of a DataLoader's shuffling

        var train = new TrainState();                                       // counts steps, batches, skips
        var options = new CheckpointOptions { Folder = folder, TotalSteps = steps, CheckpointEvery = 100 };
        await using var checkpoints = await CheckpointManager.StartAsync(
            options, train, TorchState.Parts(model, optimizer, sampler: sampler));  // resumes if there is something
        Console.WriteLine(checkpoints.Resume);                              // and says from what

        while (!train.IsComplete && !checkpoints.StopRequested)
        {
            using var scope = NewDisposeScope();
            var x = tensor(sampler.NextBatch(32)).to(float32).unsqueeze(1) * tensor(new[] { 0.1f, 0.2f, 0.3f });
            var loss = nn.functional.mse_loss(model.call(x.sin()), x.cos().sum(1, keepdim: true));
            optimizer.zero_grad();
            loss.backward();
            if (float.IsFinite(loss.item<float>()))
            {
                optimizer.step();
                train.CompleteStep(samples: 32, loss: loss.item<float>());
            }
            else
                train.SkipBatch("loss not finite", samples: 32);
            checkpoints.AfterBatch();                                       // saves what is due
        }
        RunSummary summary = checkpoints.Complete();                         // saves the last step, if it is not yet
        // quick start ends
        return summary;
    }
}
