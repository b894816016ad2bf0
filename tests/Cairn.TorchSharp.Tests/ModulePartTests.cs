using Cairn.State;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class ModulePartTests
{
    [Fact]
    public void A_tied_weight_is_one_tensor_under_both_names_and_stays_tied()
    {
        using Tied from = new(1), to = new(2);
        StateMap state = new ModulePart(from).Capture();
        state.Keys.ShouldBe(["embed.weight", "head.weight"], ignoreOrder: true);
        state["head.weight"].ShouldBeSameAs(state["embed.weight"]);

        Copies.Carry(new ModulePart(from), new ModulePart(to));

        to.Head.weight.Bytes().ShouldBe(from.Embed.weight!.Bytes());
        using (no_grad())
            to.Embed.weight!.zero_();
        to.Head.weight.Bytes().ShouldAllBe(value => value == 0);
    }

    [Fact]
    public void What_takes_no_gradient_is_frozen_unless_it_changes_by_itself()
    {
        using Sequential model = nn.Sequential(("a", nn.Linear(3, 3)), ("norm", nn.BatchNorm1d(3)));
        foreach ((string name, Parameter parameter) in model.named_parameters())
            parameter.requires_grad = name != "a.bias";
        StateMap state = new ModulePart(model).Capture();
        state.Where(entry => entry.Value is StateTensor { IsFrozen: true }).Select(entry => entry.Key).ShouldHaveSingleItem().ShouldBe("a.bias");
        // Running statistics are no parameters, whatever they say of gradients.
        state.ContainsKey("norm.running_mean").ShouldBeTrue();
    }

    [Fact]
    public async Task A_module_that_was_disposed_before_the_manager_is_not_saved_over_its_last_good_copy()
    {
        string folder = Directory.CreateTempSubdirectory("cairn-").FullName;
        try
        {
            var options = new CheckpointOptions { Folder = folder, CheckpointEvery = 1, SnapshotEvery = 0, KeepLast = 2, Asynchronous = false, HandleSignals = false };
            Sequential model = nn.Sequential(("a", nn.Linear(3, 3)));
            var train = new TrainState();
            CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, [new ModulePart(model)], cancellationToken: TestContext.Current.CancellationToken);
            train.CompleteStep();
            checkpoints.AfterBatch();
            train.CompleteStep();
            model.Dispose();
            Should.Throw<CheckpointException>(checkpoints.Complete).Message.ShouldContain("'model'");
            // Whether it tries once more or not: there is nothing to save.
            _ = await Record.ExceptionAsync(async () => await checkpoints.DisposeAsync());
            Directory.Exists(Path.Join(folder, "1")).ShouldBeTrue();
            Directory.Exists(Path.Join(folder, "2")).ShouldBeFalse();

            using Sequential again = nn.Sequential(("a", nn.Linear(3, 3)));
            await using CheckpointManager resumed = await CheckpointManager.StartAsync(options, new TrainState(), [new ModulePart(again)], cancellationToken: TestContext.Current.CancellationToken);
            resumed.Resume.Step.ShouldBe(1);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_list_of_modules_that_gives_no_tensors_is_refused_before_training()
    {
        using ModuleList<nn.Module<Tensor, Tensor>> list = nn.ModuleList<nn.Module<Tensor, Tensor>>(nn.Linear(2, 2));
        Should.Throw<CheckpointException>(() => new ModulePart(list).Capture()).Message.ShouldContain("ModuleList");
    }

    [Fact]
    public void Two_parameters_on_the_same_memory_are_tied()
    {
        using Linear first = nn.Linear(3, 3, hasBias: false), second = nn.Linear(3, 3, hasBias: false);
        second.weight = new Parameter(first.weight.detach());
        using Sequential both = nn.Sequential(("a", first), ("b", second));
        StateMap state = new ModulePart(both).Capture();
        state["b.weight"].ShouldBeSameAs(state["a.weight"]);
    }

    [Fact]
    public void Copies_of_a_tied_weight_must_agree()
    {
        using Tied model = new(1);
        StateMap saved = new ModulePart(model).Capture().Copy();
        StateTensor weight = (StateTensor)saved["embed.weight"];
        saved["head.weight"] = new MemoryTensor(weight.Type, [.. weight.Shape], weight.Bytes());
        new ModulePart(model).Restore(saved);
        saved["head.weight"] = new MemoryTensor(weight.Type, [.. weight.Shape], new byte[weight.ByteLength]);
        Should.Throw<StateMismatchException>(() => new ModulePart(model).Restore(saved)).Message.ShouldContain("tied");
    }

    [Fact]
    public void BatchNorm_buffers_are_restored_through_lists_and_sequences()
    {
        using Normed from = new(), to = new();
        for (int i = 0; i < 3; i++)
            from.forward(randn(8, 4)).Dispose();
        StateMap state = new ModulePart(from).Capture();
        foreach (string buffer in new[] { "running_mean", "running_var", "num_batches_tracked" })
        {
            state.ContainsKey($"sequence.norm.{buffer}").ShouldBeTrue();
            state.ContainsKey($"list.0.{buffer}").ShouldBeTrue();
        }
        Copies.Carry(new ModulePart(from), new ModulePart(to));
        new ModulePart(to).Capture().ShouldHoldTheSameAs(state);
        from.eval();
        to.eval();
        using Tensor input = randn(8, 4), expected = from.forward(input), actual = to.forward(input);
        actual.Bytes().ShouldBe(expected.Bytes());
    }

    [Fact]
    public void Buffers_that_are_not_persistent_are_not_saved()
    {
        using Normed model = new();
        StateMap state = new ModulePart(model).Capture();
        state.ContainsKey("kept").ShouldBeTrue();
        state.ContainsKey("scratch").ShouldBeFalse();
    }

    [Fact]
    public void All_that_does_not_fit_is_listed_and_nothing_is_written()
    {
        using Sequential from = nn.Sequential(("a", nn.Linear(2, 3)), ("b", nn.Linear(3, 4)), ("c", nn.Linear(1, 1)));
        using Sequential to = nn.Sequential(("a", nn.Linear(2, 3)), ("b", nn.Linear(3, 1)), ("d", nn.Linear(1, 1)));
        to.named_children().First().module.to(float64);
        StateMap before = new ModulePart(to).Capture().Copy();
        RestoreProblems problems = Should.Throw<StateMismatchException>(() => Copies.Carry(new ModulePart(from), new ModulePart(to))).Problems;
        problems.Missing.ShouldBe(["d.weight", "d.bias"]);
        problems.Unexpected.ShouldBe(["c.weight", "c.bias"]);
        problems.Mismatched.ShouldBe([
            "a.weight: expected F64[3, 2], found F32[3, 2]", "a.bias: expected F64[3], found F32[3]",
            "b.weight: expected F32[1, 3], found F32[4, 3]", "b.bias: expected F32[1], found F32[4]"]);
        new ModulePart(to).Capture().ShouldHoldTheSameAs(before);
    }

    [Fact]
    public void Pending_gradients_are_restored_and_others_removed()
    {
        using Run from = new(1, m => optim.SGD(m.parameters(), 0.1)), to = new(1, m => optim.SGD(m.parameters(), 0.1));
        new GradientPart(from.Model).Capture().Count.ShouldBe(0);
        from.Backward(0);
        from.Model.get_parameter("first.bias")!.grad = null;
        to.Model.get_parameter("first.bias")!.grad = ones(8);
        to.Model.get_parameter("second.bias")!.grad = ones(1);

        Copies.Carry(new GradientPart(from.Model), new GradientPart(to.Model));

        new GradientPart(to.Model).Capture().Keys.ShouldBe(["first.weight", "second.weight", "second.bias"]);
        from.Backward(1);
        to.Backward(1);
        from.Optimizer.step();
        to.Optimizer.step();
        new ModulePart(to.Model).Capture().ShouldHoldTheSameAs(new ModulePart(from.Model).Capture());
    }

    [Fact]
    public void Gradients_of_another_shape_are_refused()
    {
        using Run from = new(1, m => optim.SGD(m.parameters(), 0.1), hidden: 8), to = new(1, m => optim.SGD(m.parameters(), 0.1), hidden: 6);
        from.Backward(0);
        Should.Throw<StateMismatchException>(() => Copies.Carry(new GradientPart(from.Model), new GradientPart(to.Model)));
        new GradientPart(to.Model).Capture().Count.ShouldBe(0);
    }

    internal sealed class Tied : nn.Module
    {
        public Tied(long seed) : base(nameof(Tied))
        {
            manual_seed(seed);
            Embed = nn.Embedding(10, 4);
            Head = nn.Linear(4, 10, hasBias: false);
            Head.weight = Embed.weight!;
            register_module("embed", Embed);
            register_module("head", Head);
        }

        public Embedding Embed { get; }
        public Linear Head { get; }
    }

    sealed class Normed : nn.Module<Tensor, Tensor>
    {
        readonly Sequential _sequence = nn.Sequential(("linear", nn.Linear(4, 4)), ("norm", nn.BatchNorm1d(4)));
        readonly ModuleList<nn.Module<Tensor, Tensor>> _list = nn.ModuleList<nn.Module<Tensor, Tensor>>(nn.BatchNorm1d(4));

        public Normed() : base(nameof(Normed))
        {
            register_module("sequence", _sequence);
            register_module("list", _list);
            register_buffer("kept", ones(2));
            register_buffer("scratch", ones(2), persistent: false);
        }

        public override Tensor forward(Tensor input) => _list[0].call(_sequence.call(input));
    }
}
