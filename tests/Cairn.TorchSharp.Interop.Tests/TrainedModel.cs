using Cairn.Formats.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Interop.Tests;

/// <summary>The small network of <c>scripts/train.py</c> in TorchSharp, with its optimizer and fixed batches.</summary>
internal sealed class TrainedModel : IDisposable
{
    private const int Batches = 12, BatchSize = 16, Features = 4, Hidden = 8;

    private readonly OptimizerCase _case;
    private readonly Tensor _inputs, _targets;

    public TrainedModel(OptimizerCase optimizer, long seed)
    {
        _case = optimizer;
        manual_seed(seed);
        Model = nn.Sequential(("norm", nn.BatchNorm1d(Features)), ("first", nn.Linear(Features, Hidden)), ("act", nn.Tanh()), ("second", nn.Linear(Hidden, 1)));
        Optimizer = optimizer.Make(Model);
        using Generator generator = new(99);
        _inputs = randn([Batches, BatchSize, Features], generator: generator);
        _targets = _inputs.sum(2, keepdim: true).sin();
    }

    public global::TorchSharp.Modules.Sequential Model { get; }
    public optim.Optimizer Optimizer { get; }
    public ModulePart ModelPart => new(Model);
    public OptimizerPart OptimizerPart => new(Optimizer, Model);

    /// <summary>Trains on these batches; gives the losses.</summary>
    public double[] Train(int from, int count)
    {
        var losses = new double[count];
        for (int i = 0; i < count; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            Optimizer.zero_grad();
            Tensor loss = nn.functional.mse_loss(Model.call(_inputs[from + i]), _targets[from + i]);
            loss.backward();
            Optimizer.step();
            losses[i] = loss.item<float>();
        }
        return losses;
    }

    /// <summary>What <c>scripts/train.py</c> needs to train the same.</summary>
    public TorchMap Exchange() => new()
    {
        ["model"] = TorchTree.FromState(ModelPart.Capture()),
        ["optimizer"] = Layouts.PyTorch.TorchOptimizer.ToTorch(OptimizerPart.Capture()),
        ["optimizer_class"] = _case.Class,
        ["arguments"] = _case.Arguments,
        ["groups"] = _case.HasGroups,
        ["inputs"] = TorchTree.FromState(new TorchTensor(_inputs)),
        ["targets"] = TorchTree.FromState(new TorchTensor(_targets)),
        ["before"] = _case.Before,
        ["steps"] = _case.After,
    };

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
        _inputs.Dispose();
        _targets.Dispose();
    }
}
