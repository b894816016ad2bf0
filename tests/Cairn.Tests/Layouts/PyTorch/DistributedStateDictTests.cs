using Cairn.Formats.Torch;
using Cairn.Formats.Torch.Distributed.Writing;
using Cairn.Layouts.PyTorch;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.PyTorch;

public class DistributedStateDictTests
{
    private static readonly MemoryTensor Weight = TestTensors.Of(TensorType.F32, 2, 2);

    // As the part of an optimizer captures it.
    private static StateMap AdamW() => new()
    {
        ["type"] = "AdamW",
        ["state"] = new StateMap { ["layer.w"] = new StateMap { ["step"] = 3L, ["exp_avg"] = Weight, ["exp_avg_sq"] = Weight } },
        ["groups"] = new StateList([new StateMap
        {
            ["lr"] = 0.5, ["initial_lr"] = 1.0, ["betas"] = new StateList([0.9, 0.95]), ["eps"] = 1e-8, ["weight_decay"] = 0.1, ["amsgrad"] = false, ["maximize"] = false, ["params"] = new StateList(["layer.w"]),
        }]),
    };

    // As a file of PyTorch has it, whose parameters are numbers.
    private static StateMap Raw() => new()
    {
        ["state"] = new StateMap { ["0"] = new StateMap { ["exp_avg"] = Weight } },
        ["param_groups"] = new StateList([new StateMap { ["lr"] = 0.5, ["params"] = new StateList([0L]) }]),
    };

    private static (string[] Names, List<string> Notes) Of(DistributedForm form, params (string Part, StateMap State)[] parts)
    {
        List<string> notes = [];
        return ([.. StateDictFlattening.Of(DistributedStateDict.Of(form, parts, 7, notes)).Values.Select(value => value.Value is TorchScalar scalar ? $"{value.Name}={scalar}" : value.Name)], notes);
    }

    private static readonly (string, StateMap) Model = ("model", new StateMap { ["layer.w"] = Weight });

    [Fact]
    public void By_default_it_is_what_get_state_dict_gives()
    {
        (string[] names, List<string> notes) = Of(DistributedForm.StateDict, Model, ("optimizer", AdamW()), ("context", new StateMap { ["step_count"] = 7L }));
        names.ShouldBe(
        [
            "model.layer.w", "optimizer.state.layer.w.step", "optimizer.state.layer.w.exp_avg", "optimizer.state.layer.w.exp_avg_sq", "optimizer.param_groups.0.lr=0.5", "optimizer.param_groups.0.betas", "optimizer.param_groups.0.eps=1E-08",
            "optimizer.param_groups.0.weight_decay=0.1", "optimizer.param_groups.0.amsgrad=False", "optimizer.param_groups.0.maximize=False", "optimizer.param_groups.0.decoupled_weight_decay=True", "optimizer.param_groups.0.foreach=None",
            "optimizer.param_groups.0.capturable=False", "optimizer.param_groups.0.differentiable=False", "optimizer.param_groups.0.fused=None", "optimizer.param_groups.0.initial_lr=1", "optimizer.param_groups.0.params", "context.step_count=7",
        ]);
        notes.ShouldBeEmpty();
        Of(DistributedForm.StateDict, ("optimizer", Raw())).Names.ShouldBe(["optimizer.state.0.exp_avg", "optimizer.param_groups.0.lr=0.5", "optimizer.param_groups.0.params"]);
        Of(DistributedForm.StateDict, ("optimizer", Raw())).Notes.ShouldHaveSingleItem().ShouldContain("numbers");
    }

    [Fact]
    public void For_torchtitan_the_weights_are_at_the_root_the_optimizer_is_flat_and_the_step_is_there()
    {
        (string[] names, List<string> notes) = Of(DistributedForm.TorchTitan, Model, ("optimizer", AdamW()), ("context", new StateMap { ["num_consumed_tokens"] = 99L }), ("scheduler", new StateMap { ["last_epoch"] = 6L, ["base_lrs"] = new StateList([2.0]) }));
        names[0].ShouldBe("layer.w");
        names.ShouldContain("optimizer.state.layer.w.exp_avg", StringComparer.Ordinal);
        names.ShouldContain("optimizer.param_groups.layer.w.lr=0.5", StringComparer.Ordinal);
        names.ShouldNotContain(name => name.EndsWith("params", StringComparison.Ordinal));
        names.Where(name => name.StartsWith("lr_scheduler", StringComparison.Ordinal)).ShouldBe(
            ["lr_scheduler.base_lrs", "lr_scheduler.last_epoch=6", "lr_scheduler.verbose=False", "lr_scheduler._step_count=8", "lr_scheduler._is_initial=False", "lr_scheduler._get_lr_called_within_step=False", "lr_scheduler._last_lr", "lr_scheduler.lr_lambdas"]);
        names.Where(name => name.StartsWith("train_state", StringComparison.Ordinal)).ShouldBe(["train_state.step=7", "train_state.ntokens_seen=99"]);
        notes.ShouldHaveSingleItem().ShouldContain("dataloader");
    }

    [Fact]
    public void What_torchtitan_saved_keeps_its_own_schedule_and_counts()
    {
        StateMap context = new() { ["train_state"] = new StateMap { ["step"] = 12L, ["ntokens_seen"] = 5L }, ["epoch"] = 1L }, scheduler = new() { ["_step_count"] = 13L, ["last_epoch"] = 12L };
        StateMap byName = new()
        {
            ["state"] = new StateMap { ["layer.w"] = new StateMap { ["exp_avg"] = Weight } },
            ["param_groups"] = new StateList([new StateMap { ["lr"] = 0.5, ["params"] = new StateList(["layer.w"]) }]),
        };
        Of(DistributedForm.TorchTitan, Model, ("optimizer", byName), ("scheduler", scheduler), ("context", context)).Names.ShouldBe(
            ["layer.w", "optimizer.state.layer.w.exp_avg", "optimizer.param_groups.layer.w.lr=0.5", "lr_scheduler._step_count=13", "lr_scheduler.last_epoch=12", "train_state.step=12", "train_state.ntokens_seen=5", "context.epoch=1"]);
    }

    [Theory, InlineData(false, "model.layer.w"), InlineData(true, "layer.w")]
    public void Weights_in_full_precision_are_the_model_where_they_are_taken_without_it(bool isTitan, string name)
    {
        DistributedForm form = isTitan ? DistributedForm.TorchTitan : DistributedForm.StateDict;
        (string, StateMap) master = ("master", new StateMap { ["layer.w"] = Weight });
        (string[] names, List<string> notes) = Of(form, master);
        (string.Join(',', names), notes.Count).ShouldBe((name, 1));
        (names, notes) = Of(form, Model, master);
        (string.Join(',', names), notes[0].Contains("full precision", StringComparison.Ordinal)).ShouldBe(($"{name},master.layer.w", true));
    }

    [Fact]
    public void Weights_by_themselves_are_nothing_but_weights() => Of(DistributedForm.TorchTitan, Model).Names.ShouldBe(["layer.w"]);

    [Fact]
    public void What_the_form_cannot_say_is_refused()
    {
        Should.Throw<ArgumentException>(() => Of(DistributedForm.TorchTitan, Model, ("optimizer", Raw()))).Message.ShouldContain("numbers");
        Should.Throw<ArgumentException>(() => Of(DistributedForm.TorchTitan, Model, ("optimizer", new StateMap { ["x"] = 1L }))).Message.ShouldContain("param_groups");
        Should.Throw<ArgumentException>(() => Of(DistributedForm.TorchTitan, ("model", new StateMap { ["context"] = Weight }), ("context", new StateMap { ["a"] = 1L }))).Message.ShouldContain("'context'");
    }
}
