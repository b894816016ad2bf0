using TorchSharp;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>A small network with its optimizer, and batches that depend on their number alone.</summary>
sealed class Run : IDisposable
{
    public Run(long seed, Func<nn.Module, optim.Optimizer> optimizer, int hidden = 8, bool withPart = true)
    {
        manual_seed(seed);
        Model = nn.Sequential(("first", nn.Linear(4, hidden)), ("act", nn.Tanh()), ("second", nn.Linear(hidden, 1)));
        Optimizer = optimizer(Model);
        Part = withPart ? new OptimizerPart(Optimizer, Model) : null!;
    }

    public global::TorchSharp.Modules.Sequential Model { get; }
    public optim.Optimizer Optimizer { get; }
    public OptimizerPart Part { get; }

    public void Train(int from, int count)
    {
        for (int batch = from; batch < from + count; batch++)
        {
            Optimizer.zero_grad();
            Backward(batch);
            Optimizer.step();
        }
    }

    public void Backward(int batch)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new((ulong)batch + 100);
        Tensor input = randn([16, 4], generator: generator), target = input.sum(1, keepdim: true).sin();
        nn.functional.mse_loss(Model.call(input), target).backward();
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
    }
}
