using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>What one value is that an optimizer keeps for a parameter.</summary>
internal enum TorchOptimizerValue
{
    /// <summary>A count of steps; in PyTorch a tensor of one F32, in older files an int.</summary>
    Step,
    /// <summary>A number; in PyTorch a tensor of one F32.</summary>
    Number,
    /// <summary>A tensor of the parameter's type and shape.</summary>
    Moment,
}

/// <summary>When the state of an optimizer has a value for a parameter.</summary>
internal enum TorchOptimizerPresence
{
    /// <summary>Always, even where PyTorch has it only with an option.</summary>
    Always,
    /// <summary>With its option.</summary>
    WithOption,
    /// <summary>With its option, from the first step on.</summary>
    Later,
}

/// <summary>A value that an optimizer keeps for a parameter. Its name is the same in PyTorch and in the state.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">What it is.</param>
/// <param name="Option">The option of the group without which PyTorch does not have it (false or 0), or <see langword="null"/>.</param>
/// <param name="Presence">When the state has it.</param>
/// <param name="Start">Its value before the first step: a number, or the name of an option of the group; 0 when <see langword="null"/>.</param>
internal sealed record TorchOptimizerEntry(string Name, TorchOptimizerValue Value, string? Option = null, TorchOptimizerPresence Presence = TorchOptimizerPresence.Always, object? Start = null);

/// <summary>An option of a group of parameters.</summary>
/// <param name="Name">Its key in PyTorch.</param>
/// <param name="Default">What a file that is older than the option means; <see langword="null"/> where it must be there.</param>
/// <param name="Parts">The names in the state of the numbers of a tuple; <see langword="null"/> for a single value or <c>betas</c>, whose name is the same.</param>
internal sealed record TorchOptimizerOption(string Name, object? Default = null, string[]? Parts = null);

/// <summary>
/// An optimizer that PyTorch and TorchSharp both have: how its state and options map. Source of keys and defaults:
/// <c>torch/optim/*.py</c> of PyTorch 1.13 and 2.6.
/// </summary>
internal sealed class TorchOptimizerKind
{
    private static readonly TorchOptimizerEntry
        Step = new("step", TorchOptimizerValue.Step),
        ExpAvg = new("exp_avg", TorchOptimizerValue.Moment),
        ExpAvgSq = new("exp_avg_sq", TorchOptimizerValue.Moment);

    private static readonly TorchOptimizerOption
        Lr = new("lr"), Betas = new("betas"), Eps = new("eps"), WeightDecay = new("weight_decay"),
        Maximize = new("maximize", false), Amsgrad = new("amsgrad", false);

    // How the update is computed, not what it is; the values let PyTorch choose.
    private static readonly (string Key, bool? Value)[] Ways = [("foreach", null), ("capturable", false), ("differentiable", false), ("fused", null)];

    // What schedulers keep in the groups (OneCycleLR, CyclicLR, SWALR). It is their state, which they bring themselves.
    private static readonly string[] OfSchedulers = ["max_lr", "min_lr", "max_momentum", "base_momentum", "swa_lr"];

    private static readonly TorchOptimizerKind[] All =
    [
        new("Adam", [Step, ExpAvg, ExpAvgSq, new("max_exp_avg_sq", TorchOptimizerValue.Moment, "amsgrad", TorchOptimizerPresence.WithOption)],
            [Lr, Betas, Eps, WeightDecay, Amsgrad, Maximize], ("decoupled_weight_decay", false)),
        new("AdamW", [Step, ExpAvg, ExpAvgSq, new("max_exp_avg_sq", TorchOptimizerValue.Moment, "amsgrad", TorchOptimizerPresence.WithOption)],
            [Lr, Betas, Eps, WeightDecay, Amsgrad, Maximize], ("decoupled_weight_decay", true)),
        new("SGD", [new("momentum_buffer", TorchOptimizerValue.Moment, "momentum", TorchOptimizerPresence.Later)],
            [Lr, new("momentum"), new("dampening"), WeightDecay, new("nesterov", false), Maximize]),
        new("RMSProp", [Step, new("square_avg", TorchOptimizerValue.Moment), new("momentum_buffer", TorchOptimizerValue.Moment, "momentum"), new("grad_avg", TorchOptimizerValue.Moment, "centered")],
            [Lr, new("momentum", 0.0), new("alpha"), Eps, new("centered", false), WeightDecay, Maximize]),
        new("Adagrad", [Step, new("sum", TorchOptimizerValue.Moment, Start: "initial_accumulator_value")],
            [Lr, new("lr_decay"), Eps, WeightDecay, new("initial_accumulator_value")], ("maximize", false)),
        new("Adadelta", [Step, new("square_avg", TorchOptimizerValue.Moment), new("acc_delta", TorchOptimizerValue.Moment)],
            [Lr, new("rho"), Eps, WeightDecay, Maximize]),
        new("Adamax", [Step, ExpAvg, new("exp_inf", TorchOptimizerValue.Moment)],
            [Lr, Betas, Eps, WeightDecay], ("maximize", false)),
        new("NAdam", [Step, new("mu_product", TorchOptimizerValue.Number, Start: 1.0), ExpAvg, ExpAvgSq],
            [Lr, Betas, Eps, WeightDecay, new("momentum_decay")], ("maximize", false), ("decoupled_weight_decay", false)),
        new("RAdam", [Step, ExpAvg, ExpAvgSq],
            [Lr, Betas, Eps, WeightDecay], ("maximize", false), ("decoupled_weight_decay", false)),
        new("ASGD", [Step, new("eta", TorchOptimizerValue.Number, Start: "lr"), new("mu", TorchOptimizerValue.Number, Start: 1.0), new("ax", TorchOptimizerValue.Moment)],
            [Lr, new("lambd"), new("alpha"), new("t0"), WeightDecay, Maximize]),
        new("Rprop", [Step, new("prev", TorchOptimizerValue.Moment), new("step_size", TorchOptimizerValue.Moment, Start: "lr")],
            [Lr, new("etas", Parts: ["etaminus", "etaplus"]), new("step_sizes", Parts: ["min_step", "max_step"]), Maximize]),
    ];

    private TorchOptimizerKind(string type, TorchOptimizerEntry[] state, TorchOptimizerOption[] options, params (string Key, bool Value)[] fixedOptions) =>
        (Type, State, Options, Fixed) = (type, state, options, fixedOptions);

    /// <summary>Its name in the state, which is TorchSharp's.</summary>
    public string Type { get; }
    /// <summary>What it keeps for a parameter.</summary>
    public IReadOnlyList<TorchOptimizerEntry> State { get; }
    /// <summary>The options of a group that both have.</summary>
    public IReadOnlyList<TorchOptimizerOption> Options { get; }
    /// <summary>Options that only PyTorch has, with the value that means what TorchSharp does.</summary>
    public IReadOnlyList<(string Key, bool Value)> Fixed { get; }
    /// <summary>Keys that change how fast an update is and not what it is, with the value that leaves it to PyTorch.</summary>
    public static IReadOnlyList<(string Key, bool? Value)> Neutral => Ways;
    /// <summary>Keys of a group that are not the optimizer's, and are left out.</summary>
    public static IReadOnlyList<string> SchedulerKeys => OfSchedulers;
    /// <summary>The names of all kinds.</summary>
    public static IEnumerable<string> Types => All.Select(kind => kind.Type);

    /// <summary>The kind of this name, or <see langword="null"/>.</summary>
    public static TorchOptimizerKind? Find(string? type) => All.FirstOrDefault(kind => kind.Type == type);

    /// <summary>Whether PyTorch keeps an entry under the options of this group.</summary>
    public static bool IsUsed(TorchOptimizerEntry entry, StateMap group) =>
        entry.Option is null || (group.TryGetValue(entry.Option, out StateNode? node) && (node as StateScalar)?.Value is not (null or false or 0L or 0.0));
}
