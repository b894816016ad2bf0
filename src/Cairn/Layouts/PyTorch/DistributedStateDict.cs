using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>Makes the dict that a job of PyTorch gives to <c>torch.distributed.checkpoint.load</c> of the parts of a state.</summary>
internal static class DistributedStateDict
{
    private const string Optimizer = "optimizer", Master = "master", Scheduler = "scheduler", Context = "context", TrainState = "train_state", TitanScheduler = "lr_scheduler",
        Groups = "param_groups", StepCount = "_step_count";

    /// <summary>The dict in a form. Tensors are not copied.</summary>
    /// <param name="form">The form.</param>
    /// <param name="parts">The parts, in their order.</param>
    /// <param name="step">The step that was reached.</param>
    /// <param name="notes">Takes what the user should know.</param>
    /// <exception cref="CheckpointException">PyTorch has no such optimizer.</exception>
    /// <exception cref="ArgumentException">The parts do not fit the form.</exception>
    public static TorchMap Of(DistributedForm form, IReadOnlyList<(string Part, StateMap State)> parts, long step, ICollection<string> notes)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(notes);
        parts = WithMaster(parts, notes);
        return form == DistributedForm.TorchTitan ? Titan(parts, step, notes) : Nested(parts, notes);
    }

    // The weights in full precision are what the optimizer updates; a job of PyTorch has one set of weights.
    private static IReadOnlyList<(string Part, StateMap State)> WithMaster(IReadOnlyList<(string Part, StateMap State)> parts, ICollection<string> notes)
    {
        if (!parts.Any(part => part.Part == Master))
            return parts;
        if (parts.Any(part => part.Part == PartSplit.Model))
        {
            notes.Add($"the weights in full precision are beside the model, as '{Master}'; for a job that keeps its parameters in full precision name the parts to take, with {Master} and without {PartSplit.Model}: they are its model then");
            return parts;
        }
        notes.Add($"the weights in full precision ('{Master}') are the model");
        return [.. parts.Select(part => part.Part == Master ? (PartSplit.Model, part.State) : part)];
    }

    private static TorchMap Nested(IReadOnlyList<(string Part, StateMap State)> parts, ICollection<string> notes)
    {
        var root = new TorchMap();
        foreach ((string part, StateMap state) in parts)
        {
            root.Add(part, part == Optimizer ? OptimizerOf(state) : TorchTree.FromState(state));
            if (part == Optimizer && TorchOptimizer.IsStateDict(state) && !GoesByName(state))
                notes.Add("the optimizer's state goes by the numbers of its parameters, as optimizer.state_dict() has it: get_optimizer_state_dict, which goes by their names, does not find it");
        }
        return root;
    }

    private static TorchMap Titan(IReadOnlyList<(string Part, StateMap State)> parts, long step, ICollection<string> notes)
    {
        var root = new TorchMap();
        TorchMap? optimizer = null;
        foreach ((string part, StateMap state) in parts)
        {
            switch (part)
            {
                case PartSplit.Model:
                    foreach ((TorchValue name, TorchValue tensor) in (TorchMap)TorchTree.FromState(state))
                        Add(root, name, tensor);
                    break;
                case Optimizer:
                    optimizer = OptimizerOf(state);
                    Add(root, part, FlatOptimizer.Flatten(optimizer));
                    break;
                // That of TorchSharp's schedulers is not PyTorch's, and is made below.
                case Scheduler when !state.ContainsKey(StepCount):
                    break;
                case Scheduler:
                    Add(root, TitanScheduler, TorchTree.FromState(state));
                    break;
                case Context when state.TryGetValue(TrainState, out StateNode? counts):
                    Add(root, TrainState, TorchTree.FromState(counts));
                    if (state.Count > 1)
                        Add(root, Context, TorchTree.FromState(Without(state, TrainState)));
                    break;
                default:
                    Add(root, part, TorchTree.FromState(state));
                    break;
            }
        }
        // Weights by themselves are what a job starts from, and no job's state.
        if (optimizer is null)
            return root;
        if (root.Find(TitanScheduler) is null)
            Add(root, TitanScheduler, SchedulerAt(step, parts.FirstOrDefault(part => part.Part == Scheduler).State, (TorchList)optimizer[Groups]));
        if (root.Find(TrainState) is null)
            Add(root, TrainState, new TorchMap { ["step"] = step, ["ntokens_seen"] = Whole(parts.FirstOrDefault(part => part.Part == Context).State, "num_consumed_tokens") ?? 0 });
        notes.Add("torchtitan's dataloader is not there: leave it out when the job starts (checkpoint.exclude_from_loading)");
        return root;
    }

    // What torch.optim.lr_scheduler.LambdaLR holds after so many steps. torchtitan computes the next learning rates by its configuration.
    private static TorchMap SchedulerAt(long step, StateMap? saved, TorchList groups)
    {
        TorchMap[] options = [.. groups.OfType<TorchMap>()];
        return new TorchMap
        {
            ["base_lrs"] = Rates(saved, "base_lrs", options.Select(group => group.Find("initial_lr") ?? group["lr"])),
            ["last_epoch"] = Whole(saved, "last_epoch") ?? step,
            ["verbose"] = false,
            [StepCount] = Whole(saved, "step_count") ?? step + 1,
            ["_is_initial"] = false,
            ["_get_lr_called_within_step"] = false,
            ["_last_lr"] = Rates(saved, "last_lrs", options.Select(group => group["lr"])),
            // Of a function nothing is saved; of a partial one, as torchtitan's, PyTorch does not look for the key.
            ["lr_lambdas"] = new TorchList(TorchListKind.List, options.Select(_ => (TorchValue)TorchScalar.None)),
        };
    }

    private static TorchList Rates(StateMap? saved, string key, IEnumerable<TorchValue> otherwise) =>
        saved is not null && saved.TryGetValue(key, out StateNode? node) && node is StateList rates ? (TorchList)TorchTree.FromState(rates) : new TorchList(TorchListKind.List, otherwise);

    private static long? Whole(StateMap? saved, string key) => saved is not null && saved.TryGetValue(key, out StateNode? node) && node is StateScalar { Value: long number } ? number : null;

    private static StateMap Without(StateMap map, string key)
    {
        StateMap others = [];
        foreach ((string name, StateNode node) in map)
        {
            if (name != key)
                others.Add(name, node);
        }
        return others;
    }

    private static TorchMap OptimizerOf(StateMap state) => state.ContainsKey("type") && state.ContainsKey("groups") ? TorchOptimizer.ToTorchByName(state) : (TorchMap)TorchTree.FromState(state);

    private static bool GoesByName(StateMap stateDict) => ((StateList)stateDict[Groups]).All(group =>
        group is not StateMap options || !options.TryGetValue("params", out StateNode? node) || node is not StateList parameters || parameters.All(parameter => parameter is StateScalar { Value: string }));

    private static void Add(TorchMap root, TorchValue key, TorchValue value)
    {
        if (root.Find(key) is not null)
            throw new ArgumentException($"A weight is named '{key}', and torchtitan's form has the weights beside other parts, one of which is '{key}'.", nameof(key));
        root.Add(key, value);
    }
}
