using Cairn.Layouts.PyTorch;
using Cairn.State;
using Cairn.Tests.Formats;

namespace Cairn.Tests.Layouts.PyTorch;

public class PartSplitTests
{
    private static readonly StateMap Weights = new() { ["w"] = TestTensors.Of(TensorType.F32, 1) };

    private static string Parts(StateNode root) => string.Join(' ', PartSplit.Of(root).Select(part => $"{part.Key}({string.Join(',', part.Value.Keys)})"));

    [Fact]
    public void A_state_dict_is_a_model() => Parts(Weights).ShouldBe("model(w)");

    [Fact]
    public void Common_keys_are_parts_and_the_rest_is_context() => Parts(new StateMap
    {
        ["epoch"] = 3L, ["model_state_dict"] = Weights, ["optimizer_state_dict"] = new StateMap { ["state"] = new StateMap() }, ["rng_state"] = TestTensors.Of(TensorType.U8, 4), ["args"] = new StateMap { ["lr"] = 0.5 },
    }).ShouldBe("model(w) optimizer(state) random(rng_state) context(epoch,args)");

    [Fact]
    public void Of_two_keys_of_one_part_the_second_is_context() =>
        Parts(new StateMap { ["model"] = Weights, ["state_dict"] = Weights }).ShouldBe("model(w) context(state_dict)");

    [Fact]
    public void A_list_of_one_stands_for_it_and_a_longer_one_for_itself() => Parts(new StateMap
    {
        ["state_dict"] = Weights, ["optimizer_states"] = new StateList([new StateMap { ["state"] = new StateMap(), ["param_groups"] = new StateList() }]),
        ["lr_schedulers"] = new StateList([new StateMap { ["last_epoch"] = 3L }, new StateMap()]), ["global_step"] = 5L,
    }).ShouldBe("model(w) optimizer(state,param_groups) scheduler(lr_schedulers) context(global_step)");

    [Theory]
    [InlineData("step_count", 4L)]
    [InlineData("global_step", 4L)]
    [InlineData("iteration", 4L)]
    [InlineData("steps_per_epoch", null)]
    public void The_step_is_what_common_keys_say(string key, long? step) =>
        PartSplit.StepIn(PartSplit.Of(new StateMap { ["model"] = Weights, [key] = 4L, ["epoch"] = 1L })).ShouldBe(step);

    [Fact]
    public void A_step_that_is_no_whole_number_is_none() =>
        PartSplit.StepIn(PartSplit.Of(new StateMap { ["model"] = Weights, ["global_step"] = -1L, ["step"] = 0.5 })).ShouldBeNull();

    [Fact]
    public void An_optimizers_state_dict_is_an_optimizer() =>
        Parts(new StateMap { ["state"] = new StateMap(), ["param_groups"] = new StateList() }).ShouldBe("optimizer(state,param_groups)");

    [Fact]
    public void A_tensor_that_is_named_like_a_part_makes_no_parts() =>
        Parts(new StateMap { ["model"] = TestTensors.Of(TensorType.F32, 1), ["w"] = TestTensors.Of(TensorType.F32, 1) }).ShouldBe("model(model,w)");

    [Fact]
    public void Weights_at_the_root_beside_other_parts_are_the_model() => Parts(new StateMap
    {
        ["tok.weight"] = TestTensors.Of(TensorType.F32, 1), ["scale"] = TestTensors.Of(TensorType.F32, 1), ["optimizer"] = new StateMap { ["x"] = 1L }, ["epoch"] = 3L,
    }).ShouldBe("model(tok.weight,scale) optimizer(x) context(epoch)");

    [Fact]
    public void A_lone_tensor_beside_other_parts_is_no_model() =>
        Parts(new StateMap { ["optimizer"] = new StateMap { ["x"] = 1L }, ["loss"] = TestTensors.Of(TensorType.F32, 1) }).ShouldBe("optimizer(x) context(loss)");

    [Fact]
    public void The_step_of_a_train_state_may_be_a_tensor() =>
        PartSplit.StepIn(PartSplit.Of(new StateMap { ["model"] = Weights, ["train_state"] = new StateMap { ["step"] = new MemoryTensor(TensorType.I32, [], new byte[] { 5, 0, 0, 0 }) } })).ShouldBe(5);

    [Fact]
    public void A_flattened_optimizer_is_put_together()
    {
        StateMap optimizer = PartSplit.Of(new StateMap
        {
            ["model"] = Weights,
            ["optimizer"] = new StateMap
            {
                ["state.a.weight.exp_avg"] = TestTensors.Of(TensorType.F32, 1), ["state.a.weight.step"] = 4L, ["state.b.exp_avg"] = TestTensors.Of(TensorType.F32, 2),
                ["param_groups.a.weight.lr"] = 0.5, ["param_groups.b.lr"] = 0.25, ["param_groups.c.lr"] = 0.5,
            },
        })["optimizer"];
        ((StateMap)optimizer["state"]).Select(entry => $"{entry.Key}({string.Join(',', ((StateMap)entry.Value).Keys)})").ShouldBe(["a.weight(exp_avg,step)", "b(exp_avg)"]);
        ((StateList)optimizer["param_groups"]).Cast<StateMap>().Select(group => $"{((StateScalar)group["lr"]).Value} {string.Join(',', ((StateList)group["params"]).Select(name => ((StateScalar)name).Value))}")
            .ShouldBe(["0.5 a.weight,c", "0.25 b"]);
    }

    [Theory, InlineData("state.weight.exp_avg"), InlineData("param_groups.weight.lr")]
    public void Weights_at_the_root_may_have_names_without_a_dot_when_the_optimizer_knows_them(string entry) =>
        Parts(new StateMap { ["weight"] = TestTensors.Of(TensorType.F32, 1), ["optimizer"] = new StateMap { [entry] = 1L } }).ShouldStartWith("model(weight) optimizer");

    [Fact]
    public void What_Cairn_wrote_into_one_file_has_its_parts_again() =>
        Parts(new StateMap { ["model"] = Weights, ["context"] = new StateMap { ["step_count"] = 3L } }).ShouldBe("model(w) context(step_count)");

    [Fact]
    public void A_bare_tensor_is_the_data_of_a_model() => Parts(TestTensors.Of(TensorType.F32, 1)).ShouldBe("model(data)");
}
