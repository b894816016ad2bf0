using Cairn.Formats.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Interop.Tests;

/// <summary>An optimizer that both have, made the same in both.</summary>
/// <param name="Make">Makes TorchSharp's.</param>
/// <param name="Class">PyTorch's class.</param>
/// <param name="Arguments">The arguments of PyTorch's class.</param>
/// <param name="Before">Steps before the exchange.</param>
/// <param name="After">Steps after it.</param>
/// <param name="HasGroups">Whether the parameters are in two groups of different rates.</param>
/// <param name="Tolerance">How much the losses may differ: sums are taken in another order by another version of the same library.</param>
internal sealed record OptimizerCase(Func<nn.Module, optim.Optimizer> Make, string Class, TorchMap Arguments, int Before = 5, int After = 5, bool HasGroups = false, double Tolerance = 2e-5)
{
    public static IReadOnlyDictionary<string, OptimizerCase> All { get; } = new Dictionary<string, OptimizerCase>(StringComparer.Ordinal)
    {
        ["adam"] = new(m => optim.Adam(m.parameters(), 0.01, weight_decay: 0.1), "Adam", new() { ["lr"] = 0.01, ["weight_decay"] = 0.1 }),
        ["adam-amsgrad"] = new(m => optim.Adam(m.parameters(), 0.01, amsgrad: true), "Adam", new() { ["lr"] = 0.01, ["amsgrad"] = true }),
        ["adam-not-begun"] = new(m => optim.Adam(m.parameters(), 0.01), "Adam", new() { ["lr"] = 0.01 }, Before: 0),
        ["adamw"] = new(m => optim.AdamW(m.parameters(), 0.01, 0.8, 0.95, 1e-7, 0.2), "AdamW",
            new() { ["lr"] = 0.01, ["betas"] = new TorchList(TorchListKind.Tuple, [0.8, 0.95]), ["eps"] = 1e-7, ["weight_decay"] = 0.2 }),
        ["adamw-groups"] = new(Groups, "AdamW", new() { ["lr"] = 0.01, ["weight_decay"] = 0.2 }, HasGroups: true),
        ["adamw-maximize"] = new(m => optim.AdamW(m.parameters(), 0.01, maximize: true, amsgrad: true), "AdamW", new() { ["lr"] = 0.01, ["maximize"] = true, ["amsgrad"] = true }),
        ["sgd"] = new(m => optim.SGD(m.parameters(), 0.05), "SGD", new() { ["lr"] = 0.05 }),
        ["sgd-momentum"] = new(m => optim.SGD(m.parameters(), 0.05, momentum: 0.9, dampening: 0.1, weight_decay: 0.01), "SGD", new() { ["lr"] = 0.05, ["momentum"] = 0.9, ["dampening"] = 0.1, ["weight_decay"] = 0.01 }),
        ["sgd-nesterov"] = new(m => optim.SGD(m.parameters(), 0.05, momentum: 0.9, nesterov: true), "SGD", new() { ["lr"] = 0.05, ["momentum"] = 0.9, ["nesterov"] = true }),
        ["sgd-not-begun"] = new(m => optim.SGD(m.parameters(), 0.05, momentum: 0.9), "SGD", new() { ["lr"] = 0.05, ["momentum"] = 0.9 }, Before: 0),
        ["rmsprop"] = new(m => optim.RMSProp(m.parameters(), 0.01), "RMSprop", new() { ["lr"] = 0.01 }),
        ["rmsprop-momentum"] = new(m => optim.RMSProp(m.parameters(), 0.01, momentum: 0.9, centered: true), "RMSprop", new() { ["lr"] = 0.01, ["momentum"] = 0.9, ["centered"] = true }),
        ["adagrad"] = new(m => optim.Adagrad(m.parameters(), 0.01, lr_decay: 0.1, initial_accumulator_value: 0.5), "Adagrad", new() { ["lr"] = 0.01, ["lr_decay"] = 0.1, ["initial_accumulator_value"] = 0.5 }),
        ["adadelta"] = new(m => optim.Adadelta(m.parameters(), 0.5), "Adadelta", new() { ["lr"] = 0.5 }),
        ["adamax"] = new(m => optim.Adamax(m.parameters(), 0.01), "Adamax", new() { ["lr"] = 0.01 }),
        // PyTorch 1.13 takes one factor of the next step's momentum twice; later ones do not.
        ["nadam"] = new(m => optim.NAdam(m.parameters(), 0.01), "NAdam", new() { ["lr"] = 0.01 }, Tolerance: 5e-4),
        // From the sixth step on, TorchSharp multiplies by the learning rate twice.
        ["radam"] = new(m => optim.RAdam(m.parameters(), 0.01), "RAdam", new() { ["lr"] = 0.01 }, Before: 2, After: 3),
        ["asgd"] = new(m => optim.ASGD(m.parameters(), 0.05, t0: 2), "ASGD", new() { ["lr"] = 0.05, ["t0"] = 2.0 }),
        ["asgd-not-begun"] = new(m => optim.ASGD(m.parameters(), 0.05, t0: 2), "ASGD", new() { ["lr"] = 0.05, ["t0"] = 2.0 }, Before: 0),
        ["rprop"] = new(m => optim.Rprop(m.parameters(), 0.01, etaminus: 0.4), "Rprop", new() { ["lr"] = 0.01, ["etas"] = new TorchList(TorchListKind.Tuple, [0.4, 1.2]) }),
        ["rprop-not-begun"] = new(m => optim.Rprop(m.parameters(), 0.02), "Rprop", new() { ["lr"] = 0.02 }, Before: 0),
    };

    private static AdamW Groups(nn.Module model)
    {
        Parameter[] all = [.. model.parameters()];
        return optim.AdamW([new AdamW.ParamGroup(all[..2], new AdamW.Options { LearningRate = 0.01 }), new AdamW.ParamGroup(all[2..], new AdamW.Options { LearningRate = 0.003 })], 0.01, weight_decay: 0.2);
    }
}
