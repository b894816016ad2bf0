using Cairn;
using Cairn.TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

// Not in Cairn.*, where TorchSharp would mean Cairn.TorchSharp: this is a user's file.
namespace TrainingLoopSample;

/// <summary>The loop of docs/training-loops.md. What stands between the two marks is what the page shows.</summary>
static class TrainingLoop
{
    public static async Task<RunSummary> TrainAsync(string folder, long epochs, Func<long, bool>? stop = null)
    {
        // training loop begins
        const int Dataset = 256, MicroBatch = 16, MicroBatches = 2, EvaluateEvery = 4, UnfreezeAfterBatch = 10;
        var options = new CheckpointOptions
        {
            Folder = folder, CheckpointEvery = 20, SnapshotEvery = 4, KeepLast = 2,
            SaveBestMetric = "validation_loss", LoadBestModelAtEnd = true,
        };
        var body = nn.Linear(3, 16);
        var head = nn.Linear(16, 1);
        using var model = nn.Sequential(("body", body), ("act", nn.Tanh()), ("head", head));

        // An optimizer must have the groups that the saved one had: ask for the place before it is built.
        var start = await CheckpointManager.PeekAsync(options);
        bool isUnfrozen = start.Train.Batch > UnfreezeAfterBatch;
        foreach (var parameter in body.parameters())
            parameter.requires_grad_(isUnfrozen);
        using var optimizer = optim.AdamW([new AdamW.ParamGroup(head.parameters())], lr: 0.05);
        if (isUnfrozen)
            optimizer.add_param_group(BodyGroup());

        var sampler = new ResumableSampler(Dataset, seed: 1);
        var train = new TrainState();
        var early = new EarlyStopping(train, "validation_loss", patience: 3, minDelta: 0.05);
        await using var checkpoints = await CheckpointManager.StartAsync(
            options, train, [.. TorchState.Parts(model, optimizer, sampler: sampler), early]);
        Console.WriteLine(checkpoints.Resume);

        using var share = tensor(1f / MicroBatches);                        // of a micro-batch in its update
        bool goesOn = !train.IsComplete && train.Epoch < epochs;            // a run that is done trains no more
        while (goesOn)
        {
            // One epoch, or what is left of the one in which the run was interrupted.
            while (goesOn && train.SamplesInEpoch < Dataset)
            {
                if (!isUnfrozen && train.Batch >= UnfreezeAfterBatch)
                {
                    foreach (var parameter in body.parameters())
                        parameter.requires_grad_(true);
                    optimizer.add_param_group(BodyGroup());
                    isUnfrozen = true;
                }
                // Several micro-batches are one batch to Cairn, since they lead to one update.
                optimizer.zero_grad();
                for (int i = 0; i < MicroBatches; i++)
                {
                    using var scope = NewDisposeScope();
                    (Loss(sampler.NextBatch(MicroBatch)) * share).backward();
                }
                optimizer.step();
                train.CompleteStep(samples: MicroBatch * MicroBatches);

                // After CompleteStep and before AfterBatch: then the copy of this step knows its metric.
                if (train.Step % EvaluateEvery == 0)
                {
                    using var scope = NewDisposeScope();
                    using var quiet = no_grad();
                    train.Metrics["validation_loss"] = Loss([.. Enumerable.Range(Dataset, 64).Select(i => (long)i)]).item<float>();
                    early.Evaluate();                                       // may finish the run
                }
                if (stop is not null && stop(train.Step))                   // only the test of this page ends here
                    checkpoints.RequestStop();
                goesOn = checkpoints.AfterBatch();                          // false: finished, or told to stop
            }
            if (train.SamplesInEpoch >= Dataset)
                train.CompleteEpoch();
            goesOn &= train.Epoch < epochs;
        }
        return checkpoints.Complete();                                      // the model holds the best weights now
        // training loop ends

        AdamW.ParamGroup BodyGroup() => new(body.parameters(), new AdamW.Options { LearningRate = 0.01 });

        Tensor Loss(long[] samples)
        {
            var x = tensor(samples).to(float32).unsqueeze(1) * tensor(new[] { 0.1f, 0.2f, 0.3f });
            return nn.functional.mse_loss(model.call(x.sin()), x.cos().sum(1, keepdim: true));
        }
    }
}
