using Cairn.State;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>Which tensors may still be copied while the next batch is computed, and what becomes of them meanwhile.</summary>
public sealed class OverlapTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Trained_parameters_may_wait_and_running_statistics_may_not()
    {
        using var model = nn.Sequential(("linear", nn.Linear(2, 2)), ("norm", nn.BatchNorm1d(2)));
        StateMap state = new ModulePart(model).Capture();
        string.Join(' ', state.Where(entry => ((StateTensor)entry.Value).ChangesOnlyInUpdate).Select(entry => entry.Key).Order(StringComparer.Ordinal))
            .ShouldBe("linear.bias linear.weight norm.bias norm.weight");
        state.ContainsKey("norm.running_mean").ShouldBeTrue();
    }

    [Fact]
    public void What_a_forward_pass_writes_may_not_wait()
    {
        using var average = new AverageOfWeights();
        using var view = new ViewOfWeights();
        foreach ((nn.Module<Tensor, Tensor> model, string name) in new (nn.Module<Tensor, Tensor>, string)[] { (average, "key"), (view, "weight") })
        {
            var tensor = (StateTensor)new ModulePart(model).Capture()[name];
            byte[] before = tensor.Bytes();
            model.forward(zeros(1)).Dispose();
            tensor.Bytes().ShouldNotBe(before);
            tensor.ChangesOnlyInUpdate.ShouldBeFalse(name);
        }
    }

    [Fact]
    public void Memory_that_is_held_outlives_its_owner()
    {
        Tensor tensor = arange(64, float32);
        var live = new TorchTensor(tensor);
        byte[] before = live.Bytes();
        using IDisposable held = live.Hold();
        tensor.Dispose();
        using Tensor other = zeros(64);
        live.Bytes().ShouldBe(before);
    }

    [Fact]
    public async Task An_optimizer_that_takes_more_parameters_is_not_taken_for_one_that_updates()
    {
        using var first = nn.Linear(2, 2);
        using var second = nn.Linear(2, 2);
        using var model = nn.Sequential(("first", first), ("second", second));
        using var optimizer = optim.Adam(first.parameters());
        var train = new TrainState();
        await using CheckpointManager checkpoints = await Start(train, model, optimizer);
        Batch(checkpoints, train, model, optimizer);
        checkpoints.Poll().ShouldBeFalse();
        optimizer.add_param_group(new Adam.ParamGroup(second.parameters()));
        Batch(checkpoints, train, model, optimizer);
        checkpoints.Poll().ShouldBeFalse();
        checkpoints.Complete().FinalCheckpoint.ShouldBe("2");
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_model_that_is_disposed_before_the_manager_costs_no_copy(bool counts)
    {
        var model = nn.Sequential(("linear", nn.Linear(64, 64)));
        using optim.Optimizer optimizer = counts ? optim.Adam(model.parameters()) : optim.SGD(model.parameters(), 0.1);
        var train = new TrainState();
        var reports = new List<SaveReport>();
        CheckpointManager checkpoints = await Start(train, model, optimizer);
        checkpoints.SaveEnded += (_, report) => reports.Add(report);
        Batch(checkpoints, train, model, optimizer);
        model.Dispose();
        await checkpoints.DisposeAsync();
        reports.ShouldHaveSingleItem().ShouldSatisfyAllConditions(report => report.Error.ShouldBeNull(), report => report.Step.ShouldBe(1));
    }

    private Task<CheckpointManager> Start(TrainState train, nn.Module model, optim.Optimizer optimizer) => CheckpointManager.StartAsync(
        new CheckpointOptions { Folder = _folder.FullName, CheckpointEvery = 1, SnapshotEvery = 0, OverlapCapture = true, HandleSignals = false },
        train, [new ModulePart(model), new OptimizerPart(optimizer, model)], cancellationToken: TestContext.Current.CancellationToken);

    private static void Batch(CheckpointManager checkpoints, TrainState train, nn.Module<Tensor, Tensor> model, optim.Optimizer optimizer)
    {
        using IDisposable scope = NewDisposeScope();
        optimizer.zero_grad();
        model.forward(ones(1, model.parameters().First().shape[1])).sum().backward();
        checkpoints.BeforeUpdate();
        optimizer.step();
        train.CompleteStep(samples: 1, loss: 1.0);
        checkpoints.AfterBatch();
    }

    // A frozen copy that follows other weights, as of momentum contrast.
    private sealed class AverageOfWeights : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter query = nn.Parameter(ones(4)), key = nn.Parameter(zeros(4), requires_grad: false);

        public AverageOfWeights() : base("average") => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            using (no_grad())
                key.mul_(0.9).add_(query * 0.1);
            return input.alias();
        }
    }

    private sealed class ViewOfWeights : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter weight = nn.Parameter(zeros(4, 4));
        private readonly Tensor row;

        public ViewOfWeights() : base("view")
        {
            row = weight.detach()[0];
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using (no_grad())
                row.add_(1);
            return input.alias();
        }
    }
}
