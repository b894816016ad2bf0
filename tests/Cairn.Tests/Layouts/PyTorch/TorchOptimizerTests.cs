using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.PyTorch;

public class TorchOptimizerTests
{
    private static readonly IReadOnlyList<IReadOnlyList<TorchOptimizerParameter>> Parameters =
        [[new("w", TensorType.F32, [2, 3]), new("b", TensorType.F32, [3])]];

    [Fact]
    public void A_state_of_AdamW_has_the_form_of_PyTorch()
    {
        TorchMap dict = TorchOptimizer.ToTorch(AdamW());
        dict.Select(entry => entry.Key.ToString()).ShouldBe(["state", "param_groups"]);
        var states = (TorchMap)dict["state"];
        states.Select(entry => entry.Key).ShouldBe([new TorchScalar(0L), new TorchScalar(1L)]);
        var first = (TorchMap)states[0];
        var step = (TorchTensorValue)first["step"];
        step.Data.ToString().ShouldBe("F32[]");
        BitConverter.ToSingle(step.Data.Bytes()).ShouldBe(12f);
        var group = (TorchMap)((TorchList)dict["param_groups"])[0];
        group.Select(entry => entry.Key.ToString()).Order(StringComparer.Ordinal).ShouldBe(["amsgrad", "betas", "capturable", "decoupled_weight_decay", "differentiable", "eps", "foreach", "fused", "initial_lr", "lr", "maximize", "params", "weight_decay"]);
        ((TorchList)group["betas"]).Kind.ShouldBe(TorchListKind.Tuple);
        ((TorchList)group["params"]).ShouldBe([new TorchScalar(0L), new TorchScalar(1L)]);
        group["foreach"].ShouldBe(TorchScalar.None);
        group["decoupled_weight_decay"].ShouldBe(new TorchScalar(true));
    }

    [Fact]
    public void There_and_back_is_the_same_state()
    {
        StateMap saved = AdamW();
        StateMap? back = Read(Dict(saved), "AdamW");
        back.ShouldNotBeNull();
        ((StateScalar)back["type"]).Value.ShouldBe("AdamW");
        var state = (StateMap)((StateMap)back["state"])["w"];
        ((StateScalar)state["step"]).Value.ShouldBe(12L);
        state["exp_avg"].ShouldBeSameAs(((StateMap)((StateMap)saved["state"])["w"])["exp_avg"]);
        var group = (StateMap)((StateList)back["groups"])[0];
        ((StateScalar)group["initial_lr"]).Value.ShouldBe(0.02);
        ((StateList)group["params"]).Select(name => ((StateScalar)name).Value).ShouldBe(["w", "b"]);
    }

    [Fact]
    public void An_older_file_has_the_step_as_an_int_and_fewer_options()
    {
        StateMap dict = Dict(AdamW());
        ((StateMap)((StateMap)dict["state"])["0"])["step"] = 12;
        StateMap group = Without(Group(dict), "maximize", "amsgrad", "foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay", "initial_lr");
        dict["param_groups"] = new StateList([group]);
        StateMap back = Read(dict, "AdamW")!;
        ((StateScalar)((StateMap)((StateMap)back["state"])["w"])["step"]).Value.ShouldBe(12L);
        ((StateScalar)((StateMap)((StateList)back["groups"])[0])["initial_lr"]).Value.ShouldBe(0.01);
    }

    [Fact]
    public void Names_of_parameters_and_values_of_schedulers_may_stand_in_a_group()
    {
        StateMap dict = Dict(AdamW());
        Group(dict)["max_lr"] = 0.1;
        Group(dict)["base_momentum"] = 0.85;
        Group(dict)["param_names"] = new StateList(["w", "b"]);
        ((StateMap)((StateList)Read(dict, "AdamW")!["groups"])[0]).ContainsKey("max_lr").ShouldBeFalse();
        // The same model in a wrapper.
        Group(dict)["param_names"] = new StateList(["module.w", "module.b"]);
        Read(dict, "AdamW").ShouldNotBeNull();
    }

    [Fact]
    public void What_PyTorch_has_not_begun_starts_at_its_start()
    {
        StateMap dict = Dict(AdamW());
        dict["state"] = new StateMap();
        var state = (StateMap)((StateMap)Read(dict, "AdamW")!["state"])["w"];
        ((StateScalar)state["step"]).Value.ShouldBe(0L);
        ((StateTensor)state["exp_avg"]).ToString().ShouldBe("F32[2, 3]");
        ((StateTensor)state["exp_avg"]).Bytes().ShouldAllBe(value => value == 0);
    }

    [Fact]
    public void What_does_not_fit_is_listed()
    {
        Problems(dict => ((StateMap)dict["state"]).Add("9", new StateMap())).Unexpected.ShouldBe(["state.9"]);
        Problems(dict => Group(dict)["lr_mult"] = 2.0).Unexpected.ShouldBe(["param_groups.0.lr_mult"]);
        Problems(dict => Group(dict)["lr"] = "fast").Mismatched.ShouldBe(["param_groups.0.lr: expected a number, found fast"]);
        Problems(dict => Group(dict)["betas"] = new StateList([0.9])).Mismatched.ShouldBe(["param_groups.0.betas: expected two numbers, found a list of 1"]);
        Problems(dict => Group(dict)["decoupled_weight_decay"] = false).Mismatched.Count.ShouldBe(1);
        Problems(dict => Group(dict)["params"] = new StateList([0])).Mismatched.ShouldBe(["param_groups.0.params: expected 2 parameters, found 1"]);
        Problems(dict => Group(dict)["params"] = new StateList([0, 0])).Mismatched.ShouldBe(["param_groups.0.params.1: expected each parameter once, found 0"]);
        Problems(dict => Group(dict)["param_names"] = new StateList(["b", "w"])).Mismatched.ShouldBe(["param_groups.0.param_names.0: expected w, found b"]);
        Problems(dict => ((StateMap)((StateMap)dict["state"])["0"])["step"] = 1.5).Mismatched.ShouldBe(["state.0.step: expected a whole number, found 1.5"]);
        Problems(dict => ((StateMap)((StateMap)dict["state"])["1"])["velocity"] = 1.5).Unexpected.ShouldBe(["state.1.velocity"]);
        Problems(dict => ((StateMap)dict["state"])["1"] = Without((StateMap)((StateMap)dict["state"])["1"], "exp_avg_sq")).Missing.ShouldBe(["state.1.exp_avg_sq"]);
        Problems(dict => dict["param_groups"] = new StateList([Without(Group(dict), "eps")])).Missing.ShouldBe(["param_groups.0.eps"]);
        Problems(dict => ((StateList)dict["param_groups"]).Add(new StateMap())).Mismatched.ShouldBe(["param_groups: expected 1 groups, found 2 groups"]);
    }

    [Fact]
    public void An_option_that_the_optimizer_here_lacks_must_be_off()
    {
        StateMap dict = Dict(new StateMap
        {
            { "type", "Adamax" },
            { "state", new StateMap { { "w", Moments("exp_avg", "exp_inf", 2, 3) }, { "b", Moments("exp_avg", "exp_inf", 3) } } },
            { "groups", new StateList([new StateMap { { "lr", 0.1 }, { "betas", new StateList([0.9, 0.99]) }, { "eps", 1e-8 }, { "weight_decay", 0.0 }, { "params", new StateList(["w", "b"]) } }]) },
        });
        Read(dict, "Adamax").ShouldNotBeNull();
        Group(dict)["maximize"] = true;
        var problems = new RestoreProblems();
        TorchOptimizer.FromTorch(dict, "Adamax", Parameters, problems).ShouldBeNull();
        problems.Mismatched.Single().ShouldStartWith("param_groups.0.maximize: expected False");
    }

    [Fact]
    public void Another_kind_of_state_is_refused()
    {
        Should.Throw<CheckpointException>(() => TorchOptimizer.ToTorch([])).Message.ShouldContain("'type', 'state' and 'groups'");
        StateMap unknown = AdamW();
        unknown["type"] = "Lion";
        Should.Throw<CheckpointException>(() => TorchOptimizer.ToTorch(unknown)).Message.ShouldContain("'Lion'");
        Should.Throw<CheckpointException>(() => TorchOptimizer.FromTorch(Dict(AdamW()), "LBFGS", Parameters, new RestoreProblems())).Message.ShouldContain("'LBFGS'");
        TorchOptimizer.IsStateDict(AdamW()).ShouldBeFalse();
        TorchOptimizer.IsStateDict(Dict(AdamW())).ShouldBeTrue();
    }

    private static StateMap AdamW() => new()
    {
        { "type", "AdamW" },
        { "state", new StateMap { { "w", Moments("exp_avg", "exp_avg_sq", 2, 3) }, { "b", Moments("exp_avg", "exp_avg_sq", 3) } } },
        { "groups", new StateList([new StateMap
        {
            { "lr", 0.01 }, { "initial_lr", 0.02 }, { "betas", new StateList([0.9, 0.999]) }, { "weight_decay", 0.1 }, { "eps", 1e-8 }, { "amsgrad", false }, { "maximize", false },
            { "params", new StateList(["w", "b"]) },
        }]) },
    };

    private static StateMap Moments(string first, string second, params long[] shape) =>
        new() { { "step", 12 }, { first, TestTensors.Of(TensorType.F32, shape) }, { second, TestTensors.Of(TensorType.F32, shape) } };

    private static StateMap Dict(StateMap optimizer) => (StateMap)TorchTree.ToState(TorchOptimizer.ToTorch(optimizer));

    private static StateMap Group(StateMap dict) => (StateMap)((StateList)dict["param_groups"])[0];

    private static StateMap Without(StateMap map, params string[] names)
    {
        StateMap rest = [];
        foreach ((string name, StateNode node) in map)
        {
            if (!names.Contains(name))
                rest.Add(name, node);
        }
        return rest;
    }

    private static StateMap? Read(StateMap dict, string type)
    {
        var problems = new RestoreProblems();
        StateMap? state = TorchOptimizer.FromTorch(dict, type, Parameters, problems);
        problems.None.ShouldBeTrue(string.Join("; ", [.. problems.Missing, .. problems.Unexpected, .. problems.Mismatched]));
        return state;
    }

    private static RestoreProblems Problems(Action<StateMap> damage)
    {
        StateMap dict = Dict(AdamW());
        damage(dict);
        var problems = new RestoreProblems();
        TorchOptimizer.FromTorch(dict, "AdamW", Parameters, problems).ShouldBeNull();
        return problems;
    }
}
