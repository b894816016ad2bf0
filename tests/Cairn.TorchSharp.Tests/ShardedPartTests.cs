using Cairn.State;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>Parts of which each rank holds shards are saved as one model and one optimizer, and each rank takes its own again.</summary>
public sealed class ShardedPartTests
{
    const int Outputs = 6, Inputs = 4;

    [Fact]
    public void A_module_of_shards_is_the_whole_module()
    {
        using Linear whole = nn.Linear(Inputs, Outputs);
        StateMap saved = new ModulePart(whole).Capture().Copy();
        using var ranks = new Halves(whole);
        StateMap[] captured = [.. ranks.Select(rank => rank.Model.Capture())];
        Joined(captured, "weight").Bytes().ShouldBe(((StateTensor)saved["weight"]).Bytes());
        // The bias is held by both, and declared as it is.
        captured.ShouldAllBe(state => state["bias"] is TorchTensor);

        using Linear other = nn.Linear(Inputs, Outputs);
        using var others = new Halves(other);
        foreach (Half half in others)
            half.Model.Restore(half.Cut(saved));
        Joined([.. others.Select(rank => rank.Model.Capture())], "weight").Bytes().ShouldBe(((StateTensor)saved["weight"]).Bytes());
    }

    [Fact]
    public void An_optimizer_of_shards_is_one_optimizer_over_whole_parameters()
    {
        using Linear whole = nn.Linear(Inputs, Outputs);
        using var ranks = new Halves(whole);
        using AdamW together = optim.AdamW(whole.parameters(), 0.01);
        for (int step = 0; step < 3; step++)
        {
            using Tensor gradient = arange(Outputs * Inputs, float32).view(Outputs, Inputs) * (step + 1);
            whole.weight!.grad = gradient.clone();
            whole.bias!.grad = ones(Outputs);
            together.step();
            foreach (Half half in ranks)
                half.Step(gradient);
        }
        var expected = (StateMap)((StateMap)new OptimizerPart(together, whole).Capture()["state"])["weight"];
        StateMap[] captured = [.. ranks.Select(rank => rank.Optimizer.Capture())];
        foreach (string moment in new[] { "exp_avg", "exp_avg_sq" })
            Joined([.. captured.Select(state => (StateMap)((StateMap)state["state"])["weight"])], moment).Bytes().ShouldBe(((StateTensor)expected[moment]).Bytes());
        // Whoever holds what: the groups name all parameters.
        foreach (StateMap state in captured)
            ((StateList)((StateMap)((StateList)state["groups"])[0])["params"]).Select(name => ((StateScalar)name).Value).ShouldBe(["weight", "bias"]);

        // One that holds nothing yet takes its part of what the whole one saved.
        using Linear fresh = nn.Linear(Inputs, Outputs);
        using var others = new Halves(fresh);
        StateMap saved = new OptimizerPart(together, whole).Capture().Copy();
        foreach ((Half half, StateMap own) in others.Zip(captured))
        {
            half.Optimizer.Restore(half.CutOptimizer(saved));
            ((StateMap)((StateMap)half.Optimizer.Capture()["state"])["weight"])["exp_avg"].ShouldHoldTheSameAs(((StateMap)((StateMap)own["state"])["weight"])["exp_avg"]);
        }
    }

    [Fact]
    public void An_optimizer_with_several_groups_cannot_be_cut()
    {
        using Linear model = nn.Linear(Inputs, Outputs);
        using AdamW two = optim.AdamW([new AdamW.ParamGroup([model.weight!]), new AdamW.ParamGroup([model.bias!])], 0.01);
        Should.Throw<CheckpointException>(() => new OptimizerPart(two, model, new Dictionary<string, ParameterShard>(StringComparer.Ordinal), ["weight", "bias"])).Message.ShouldContain("one group");
    }

    static StateTensor Joined(StateMap[] ranks, string name) => StateTensor.Join(name, [.. ranks.Select(state => state[name].ShouldBeOfType<ShardTensor>())]);

    /// <summary>Two ranks that share a linear layer by its outputs.</summary>
    sealed class Halves(Linear whole) : List<Half>([new Half(whole, 0), new Half(whole, 1)]), IDisposable
    {
        public void Dispose() => ForEach(half => half.Dispose());
    }

    sealed class Half : IDisposable
    {
        readonly Linear _layer;
        readonly AdamW _optimizer;
        readonly ShardExtent _extent;
        readonly int _rank;

        public Half(Linear whole, int rank)
        {
            _rank = rank;
            _extent = ShardExtent.Cut([Outputs, Inputs], 0, rank, 2);
            _layer = nn.Linear(Inputs, Outputs / 2, hasBias: false);
            using (no_grad())
                _layer.weight!.copy_(whole.weight!.narrow(0, rank * (Outputs / 2), Outputs / 2));
            _layer.register_buffer("bias", whole.bias!.detach().clone());
            _optimizer = optim.AdamW([_layer.weight!], 0.01);
            Model = new ModulePart(_layer, shards: new Dictionary<string, ShardExtent>(StringComparer.Ordinal) { ["weight"] = _extent });
            Optimizer = new OptimizerPart(_optimizer, _layer, new Dictionary<string, ParameterShard>(StringComparer.Ordinal) { ["weight"] = new("weight", _extent) }, ["weight", "bias"]);
        }

        public ModulePart Model { get; }
        public OptimizerPart Optimizer { get; }

        public void Step(Tensor gradient)
        {
            _layer.weight!.grad = gradient.narrow(0, _rank * (Outputs / 2), Outputs / 2).clone();
            _optimizer.step();
        }

        public StateMap Cut(StateMap saved) => new() { ["weight"] = ((StateTensor)saved["weight"]).Slice(_extent), ["bias"] = saved["bias"] };

        public StateMap CutOptimizer(StateMap saved)
        {
            var weight = (StateMap)((StateMap)saved["state"])["weight"];
            var cut = new StateMap();
            foreach ((string name, StateNode node) in weight)
                cut.Add(name, node is StateTensor tensor && tensor.Shape.Count == 2 ? tensor.Slice(_extent) : node);
            return new StateMap { ["type"] = saved["type"], ["state"] = new StateMap { ["weight"] = cut }, ["groups"] = saved["groups"] };
        }

        public void Dispose()
        {
            _optimizer.Dispose();
            _layer.Dispose();
        }
    }
}
