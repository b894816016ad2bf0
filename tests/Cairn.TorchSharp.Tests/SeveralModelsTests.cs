using Cairn.Layouts;
using Cairn.Opening;
using TorchSharp;
using TorchSharp.Modules;
using static Cairn.TorchSharp.Tests.WeightsFolder;
using static TorchSharp.torch;
using static TorchSharp.torch.optim.lr_scheduler;

namespace Cairn.TorchSharp.Tests;

/// <summary>Trainings with more than one model, or an optimizer over a part of one; each is stopped after some batches and goes on in new objects.</summary>
public sealed class SeveralModelsTests : IDisposable
{
    readonly WeightsFolder _folder = new();

    [Fact]
    public async Task A_GAN_goes_on_bit_for_bit()
    {
        string whole = await TrainAsync("whole", 9, seed: 1), first = await TrainAsync("cut", 5, seed: 1);
        (first == whole).ShouldBeFalse();
        (await TrainAsync("cut", 9, seed: 2)).ShouldBe(whole);
        using LoadedCheckpoint saved = CheckpointReader.Open(_folder["cut"]);
        string.Join(' ', saved.Parts.Order(StringComparer.Ordinal)).ShouldBe("both_optimizer context discriminator discriminator_optimizer generator generator_optimizer generator_scheduler random sampler");
    }

    [Fact]
    public async Task Adapters_alone_are_trained_saved_and_resumed()
    {
        string whole = await TrainAdaptersAsync("whole", 6, seed: 1);
        await TrainAdaptersAsync("cut", 3, seed: 1);
        (await TrainAdaptersAsync("cut", 6, seed: 2)).ShouldBe(whole);
    }

    [Fact]
    public void Adapters_are_files_of_their_own()
    {
        using Sequential from = Adapted(1), to = Adapted(2);
        from.SaveWeights(_folder["adapter.safetensors"], new SaveWeightsOptions { Take = ["*lora_*"], AddPrefix = "base_model.model." }, cancellationToken: TestContext.Current.CancellationToken);
        Dictionary<string, string> before = Values(to);
        LoadWeightsReport report = to.LoadWeights(_folder["adapter.safetensors"], new LoadWeightsOptions { Take = ["*lora_*"], StripPrefix = LoadWeightsOptions.Auto }, cancellationToken: TestContext.Current.CancellationToken);
        report.Loaded.ShouldBe(["lora_a.weight", "lora_b.weight"]);
        Values(to)["base.weight"].ShouldBe(before["base.weight"]);
        Values(to)["lora_a.weight"].ShouldBe(Values(from)["lora_a.weight"]);
    }

    public void Dispose() => _folder.Dispose();

    // Two models, each with an optimizer and one with a scheduler, a third optimizer over both, and TorchSharp's loader.
    async Task<string> TrainAsync(string run, long steps, long seed)
    {
        using Sequential generator = Network(seed, outputs: 3), discriminator = Network(seed + 10, outputs: 1);
        using optim.Optimizer g = optim.Adam(generator.parameters(), 0.01), d = optim.RMSProp(discriminator.parameters(), 0.01, momentum: 0.5), both = optim.SGD([.. generator.parameters(), .. discriminator.parameters()], 0.001, momentum: 0.9);
        using DataLoader loader = utils.data.DataLoader(new Points(13), 4, num_worker: 2);
        ResumableDataLoader<Dictionary<string, Tensor>, Dictionary<string, Tensor>> batches = loader.Resumable(seed: 3, skipBatches: [2]);
        LRScheduler rate = StepLR(g, 2, 0.5);
        var train = new TrainState();
        var options = new CheckpointOptions { Folder = _folder[run], TotalSteps = steps, CheckpointEvery = 100, Asynchronous = false, HandleSignals = false };
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train,
            TorchState.Parts([("generator", generator), ("discriminator", discriminator)], [("generator", g), ("discriminator", d), ("both", both)], [("generator", rate)], batches), cancellationToken: TestContext.Current.CancellationToken);
        while (!train.IsComplete)
        {
            foreach (Dictionary<string, Tensor> batch in batches)
            {
                using DisposeScope scope = NewDisposeScope();
                foreach (optim.Optimizer optimizer in new[] { d, g, both })
                {
                    generator.zero_grad();
                    discriminator.zero_grad();
                    Tensor made = generator.call(randn_like(batch["point"])), judged = discriminator.call(made) - discriminator.call(batch["point"]);
                    (ReferenceEquals(optimizer, g) ? -judged : judged).mean().backward();
                    optimizer.step();
                }
                rate.step();
                train.CompleteStep();
                if (!checkpoints.AfterBatch())
                    break;
            }
        }
        checkpoints.Complete();
        return string.Concat(Values(generator).Values.Concat(Values(discriminator).Values));
    }

    async Task<string> TrainAdaptersAsync(string run, long steps, long seed)
    {
        using Sequential model = Adapted(seed);
        Parameter[] adapters = [.. model.named_parameters().Where(entry => entry.name.StartsWith("lora_", StringComparison.Ordinal)).Select(entry => entry.parameter)];
        foreach ((_, Parameter parameter) in model.named_parameters())
            parameter.requires_grad_(adapters.Contains(parameter));
        using optim.Optimizer optimizer = optim.AdamW(adapters, 0.01);
        var train = new TrainState();
        var options = new CheckpointOptions { Folder = _folder[run], TotalSteps = steps, CheckpointEvery = 100, Asynchronous = false, HandleSignals = false };
        await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, TorchState.Parts(model, optimizer), cancellationToken: TestContext.Current.CancellationToken);
        while (!train.IsComplete)
        {
            using DisposeScope scope = NewDisposeScope();
            optimizer.zero_grad();
            model.call(randn(8, 3)).square().mean().backward();
            optimizer.step();
            train.CompleteStep();
            checkpoints.AfterBatch();
        }
        checkpoints.Complete();
        return string.Concat(Values(model).Values);
    }

    static Sequential Adapted(long seed)
    {
        manual_seed(seed);
        return nn.Sequential(("base", nn.Linear(3, 4)), ("lora_a", nn.Linear(4, 2, hasBias: false)), ("lora_b", nn.Linear(2, 4, hasBias: false)));
    }

    sealed class Points(int count) : utils.data.Dataset
    {
        public override long Count => count;

        public override Dictionary<string, Tensor> GetTensor(long index) => new(StringComparer.Ordinal) { ["point"] = tensor(new[] { index, index * 0.5f, index * index * 0.1f }) };
    }
}
