using Cairn.State;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class OptimizerPartTests
{
    static readonly Dictionary<string, Func<nn.Module, optim.Optimizer>> Optimizers = new(StringComparer.Ordinal)
    {
        ["SGD"] = m => optim.SGD(m.parameters(), 0.05),
        ["SGD with momentum"] = m => optim.SGD(m.parameters(), 0.05, momentum: 0.9, nesterov: true),
        ["Adam"] = m => optim.Adam(m.parameters(), 0.01),
        ["Adam with amsgrad"] = m => optim.Adam(m.parameters(), 0.01, amsgrad: true),
        ["AdamW"] = m => optim.AdamW(m.parameters(), 0.01),
        ["AdamW with amsgrad"] = m => optim.AdamW(m.parameters(), 0.01, amsgrad: true),
        ["NAdam"] = m => optim.NAdam(m.parameters(), 0.01),
        ["RAdam"] = m => optim.RAdam(m.parameters(), 0.01),
        ["Adamax"] = m => optim.Adamax(m.parameters(), 0.01),
        ["Adagrad"] = m => optim.Adagrad(m.parameters(), 0.01, lr_decay: 0.1),
        ["Adadelta"] = m => optim.Adadelta(m.parameters(), 0.5),
        ["ASGD"] = m => optim.ASGD(m.parameters(), 0.01),
        ["RMSProp"] = m => optim.RMSProp(m.parameters(), 0.01, momentum: 0.9, centered: true),
        ["Rprop"] = m => optim.Rprop(m.parameters(), 0.01),
    };

    public static TheoryData<string> Names => [.. Optimizers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_restored_optimizer_continues_bit_for_bit(string name)
    {
        using Run whole = new(1, Optimizers[name]);
        whole.Train(0, 5);
        StateMap model = new ModulePart(whole.Model).Capture().Copy(), optimizer = whole.Part.Capture().Copy();
        whole.Train(5, 5);

        using Run resumed = new(2, Optimizers[name]);
        new ModulePart(resumed.Model).Restore(model);
        resumed.Part.Restore(optimizer);
        resumed.Part.Capture().ShouldHoldTheSameAs(optimizer);
        resumed.Train(5, 5);

        new ModulePart(resumed.Model).Capture().ShouldHoldTheSameAs(new ModulePart(whole.Model).Capture());
        resumed.Part.Capture().ShouldHoldTheSameAs(whole.Part.Capture());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_optimizer_that_ran_too_far_is_taken_back_to_its_start(string name)
    {
        using Run run = new(1, Optimizers[name]);
        StateMap model = new ModulePart(run.Model).Capture().Copy(), optimizer = run.Part.Capture().Copy();
        run.Train(0, 3);
        StateMap expected = new ModulePart(run.Model).Capture().Copy();

        new ModulePart(run.Model).Restore(model);
        run.Part.Restore(optimizer);
        run.Part.Capture().ShouldHoldTheSameAs(optimizer);
        run.Train(0, 3);

        new ModulePart(run.Model).Capture().ShouldHoldTheSameAs(expected);
    }

    [Fact]
    public void State_and_groups_go_by_the_names_of_parameters_and_of_the_field()
    {
        using Run run = new(1, Optimizers["AdamW"]);
        run.Train(0, 1);
        StateMap state = run.Part.Capture();
        StateMap bias = (StateMap)((StateMap)state["state"])["first.bias"];
        bias.Keys.ShouldBe(["step", "exp_avg", "exp_avg_sq"]);
        StateMap group = (StateMap)((StateList)state["groups"])[0];
        ((StateList)group["betas"]).Select(node => ((StateScalar)node).Value).ShouldBe([0.9, 0.999]);
        ((StateList)group["params"]).Select(node => ((StateScalar)node).Value).ShouldBe(["first.weight", "first.bias", "second.weight", "second.bias"]);
    }

    [Fact]
    public void Every_group_gets_its_own_options_back()
    {
        static optim.Optimizer TwoGroups(nn.Module m)
        {
            Parameter[] all = [.. m.parameters()];
            return optim.AdamW([new AdamW.ParamGroup(all[..2], new AdamW.Options { LearningRate = 0.1 }), new AdamW.ParamGroup(all[2..], new AdamW.Options { LearningRate = 0.2, beta1 = 0.5 })], 0.3);
        }
        using Run from = new(1, TwoGroups), to = new(2, TwoGroups);
        from.Optimizer.ParamGroups.Last().LearningRate = 0.77;
        from.Optimizer.ParamGroups.Last().InitialLearningRate = 0.66;
        ((AdamW.ParamGroup)from.Optimizer.ParamGroups.First()).Betas = (0.1, 0.2);
        Copies.Carry(from.Part, to.Part);
        to.Optimizer.ParamGroups.Select(group => group.LearningRate).ShouldBe([0.1, 0.77]);
        to.Optimizer.ParamGroups.Select(group => group.InitialLearningRate).ShouldBe([0.1, 0.66]);
        to.Optimizer.ParamGroups.Cast<AdamW.ParamGroup>().Select(group => group.Betas).ShouldBe([(0.1, 0.2), (0.5, 0.999)]);
    }

    [Fact]
    public void Another_type_of_optimizer_is_refused()
    {
        using Run from = new(1, Optimizers["Adam"]), to = new(2, Optimizers["AdamW"]);
        Should.Throw<StateMismatchException>(() => Copies.Carry(from.Part, to.Part)).Message.ShouldContain("type: expected AdamW, found Adam");
    }

    [Fact]
    public void A_state_of_other_shapes_is_listed_and_nothing_is_written()
    {
        using Run from = new(1, Optimizers["AdamW"], hidden: 8), to = new(2, Optimizers["AdamW"], hidden: 6);
        from.Train(0, 2);
        StateMap before = to.Part.Capture().Copy();
        StateMismatchException refused = Should.Throw<StateMismatchException>(() => Copies.Carry(from.Part, to.Part));
        refused.Problems.Mismatched[0].ShouldBe("state.first.weight.exp_avg: expected F32[6, 4], found F32[8, 4]");
        refused.Problems.Mismatched.Count.ShouldBe(6);
        to.Part.Capture().ShouldHoldTheSameAs(before);
    }

    [Fact]
    public void A_lost_moment_is_missed()
    {
        using Run run = new(1, Optimizers["AdamW with amsgrad"]);
        StateMap saved = run.Part.Capture().Copy();
        ((StateMap)saved["state"])["first.weight"] = new StateMap { { "step", 1 } };
        RestoreProblems problems = new();
        run.Part.Check(saved, problems);
        problems.Missing.ShouldBe(["state.first.weight.exp_avg", "state.first.weight.exp_avg_sq", "state.first.weight.max_exp_avg_sq"]);
    }

    [Fact]
    public void LBFGS_is_refused_by_name()
    {
        using Run run = new(1, m => optim.LBFGS(m.parameters()), withPart: false);
        Should.Throw<CheckpointException>(() => new OptimizerPart(run.Optimizer, run.Model)).Message.ShouldContain("LBFGS");
    }

    [Fact]
    public void An_optimizer_of_another_model_is_refused()
    {
        using Run one = new(1, Optimizers["SGD"]), other = new(2, Optimizers["SGD"]);
        Should.Throw<CheckpointException>(() => new OptimizerPart(one.Optimizer, other.Model).Capture()).Message.ShouldContain("is not one of the module");
    }
}
