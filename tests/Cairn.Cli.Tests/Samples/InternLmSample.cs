using Cairn.Layouts;
using Cairn.Layouts.InternLm;
using Cairn.State;

namespace Cairn.Cli.Tests.Samples;

/// <summary>The folder that InternEvo's trainer leaves on one rank: weights of half precision, the optimizer that trains them in fp32, scheduler, counters, plan and marker.</summary>
internal static class InternLmSample
{
    /// <summary>The files of a save in the order in which InternEvo writes them.</summary>
    public static readonly string[] Order =
        ["model_tp0_pp0.pt", "topo_tp0_pp0.json", "optimizer_tp0_pp0_zo0.pt", "gpus-1_wp-0_tp-0_dp-0_pp-0_zo-0.pt", "schedulder.pt", "context.pt"];

    /// <summary>Writes a copy of a step.</summary>
    public static string Write(string folder, long step)
    {
        Directory.CreateDirectory(folder);
        StateMap master = SampleState.Model(step), model = [], states = [];
        foreach ((string name, StateNode node) in master)
        {
            var tensor = (StateTensor)node;
            model.Add(name, CastTensor.Of(tensor, TensorType.BF16));
            states.Add(name, new StateMap { ["step"] = step, ["exp_avg"] = tensor, ["exp_avg_sq"] = tensor });
        }
        StateMap group = new()
        {
            ["lr"] = 1e-3, ["initial_lr"] = 1e-3, ["betas"] = new StateList([0.9, 0.95]), ["eps"] = 1e-8, ["weight_decay"] = 0.01, ["amsgrad"] = false,
            ["params"] = new StateList(states.Keys.Select(name => (StateNode)name)),
        };
        IReadOnlyList<PlannedFile> plan = InternLmLayout.Instance.Plan(step,
        [
            ("model", model),
            ("optimizer", new StateMap { ["type"] = "AdamW", ["state"] = states, ["groups"] = new StateList([group]) }),
            ("master", master),
            ("scheduler", new StateMap { ["last_epoch"] = step, ["base_lrs"] = new StateList([1e-3]) }),
            ("context", new StateMap { ["batch_count"] = step - 1, ["step_count"] = step, ["inf_nan_skip_batches"] = 0L }),
        ]);
        // What only Cairn writes is not there.
        foreach (PlannedFile file in plan.Where(file => InternLmFileName.TryParse(file.Name, out _)))
        {
            using FileStream to = File.Create(Path.Join(folder, file.Name));
            file.WriteTo((bytes, _, _) => to.Write(bytes));
        }
        SampleFolders.Torch(Path.Join(folder, "schedulder.pt"), new StateMap { ["last_epoch"] = step, ["base_lrs"] = new StateList([1e-3]) });
        return folder;
    }
}
