using Cairn.State;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;
using LRScheduler = TorchSharp.torch.optim.lr_scheduler.LRScheduler;

namespace Cairn.TorchSharp.Tests;

public sealed class SchedulerPartTests
{
    static readonly Dictionary<string, Func<Optimizer, LRScheduler>> Schedulers = new(StringComparer.Ordinal)
    {
        ["LambdaLR"] = o => lr_scheduler.LambdaLR(o, epoch => Math.Pow(0.9, epoch)),
        ["MultiplicativeLR"] = o => lr_scheduler.MultiplicativeLR(o, epoch => 1.0 - (0.01 * epoch)),
        ["StepLR"] = o => lr_scheduler.StepLR(o, 3, 0.5),
        ["MultiStepLR"] = o => lr_scheduler.MultiStepLR(o, [2, 9, 13], 0.5),
        ["PolynomialLR"] = o => lr_scheduler.PolynomialLR(o, 30, 2),
        ["ExponentialLR"] = o => lr_scheduler.ExponentialLR(o, 0.9),
        ["ConstantLR"] = o => lr_scheduler.ConstantLR(o, 0.3, 12),
        ["LinearLR"] = o => lr_scheduler.LinearLR(o, 0.2, 1, 14),
        ["CosineAnnealingLR"] = o => lr_scheduler.CosineAnnealingLR(o, 7, 1e-4),
        ["CyclicLR"] = o => lr_scheduler.CyclicLR(o, 0.01, 0.1, 3, 4, lr_scheduler.impl.CyclicLR.Mode.Triangular2),
        ["OneCycleLR"] = o => lr_scheduler.OneCycleLR(o, 0.5, total_steps: 25),
        ["OneCycleLR in three phases"] = o => lr_scheduler.OneCycleLR(o, 0.5, total_steps: 25, three_phase: true),
        ["ReduceLROnPlateau"] = o => lr_scheduler.ReduceLROnPlateau(o, patience: 1, factor: 0.5, cooldown: 1),
        ["ChainedLR"] = o => lr_scheduler.ChainedLR([lr_scheduler.ConstantLR(o, 0.1, 12), lr_scheduler.ExponentialLR(o, 0.9)]),
        ["SequentialLR"] = o => lr_scheduler.SequentialLR(o, [lr_scheduler.ConstantLR(o, 0.1, 5), lr_scheduler.ExponentialLR(o, 0.9), lr_scheduler.CosineAnnealingLR(o, 4)], [4, 12]),
    };

    public static TheoryData<string> Names => [.. Schedulers.Keys];

    internal static LRScheduler Create(string name, Optimizer optimizer) => Schedulers[name](optimizer);

    [Theory]
    [MemberData(nameof(Names))]
    public void A_restored_scheduler_continues_with_the_same_learning_rates(string name)
    {
        const int Half = 10;
        using Run whole = new(1, Sgd), resumed = new(1, Sgd);
        LRScheduler scheduler = Schedulers[name](whole.Optimizer);
        Steps(scheduler, whole.Optimizer, 0, Half);
        StateMap saved = new SchedulerPart(scheduler).Capture().Copy(), optimizer = whole.Part.Capture().Copy();
        string[] expected = Steps(scheduler, whole.Optimizer, Half, Half);

        LRScheduler fresh = Schedulers[name](resumed.Optimizer);
        new SchedulerPart(fresh).Restore(saved);
        resumed.Part.Restore(optimizer);
        new SchedulerPart(fresh).Capture().ShouldHoldTheSameAs(saved);

        Steps(fresh, resumed.Optimizer, Half, Half).ShouldBe(expected);
        new SchedulerPart(fresh).Capture().ShouldHoldTheSameAs(new SchedulerPart(scheduler).Capture());
        expected.Distinct(StringComparer.Ordinal).Count().ShouldBeGreaterThan(1);
    }

    [Fact]
    public void Every_scheduler_of_TorchSharp_is_tested() =>
        typeof(lr_scheduler.impl).GetNestedTypes().Where(type => type.IsSubclassOf(typeof(LRScheduler))).Select(type => type.Name)
            .Except(Schedulers.Keys, StringComparer.Ordinal).ShouldBeEmpty();

    [Theory, InlineData("LambdaLR"), InlineData("CosineAnnealingLR"), InlineData("StepLR")]
    public void The_counter_of_a_scheduler_of_PyTorch_is_taken(string name)
    {
        const int Half = 10;
        using Run whole = new(1, Sgd), resumed = new(1, Sgd);
        LRScheduler scheduler = Schedulers[name](whole.Optimizer);
        Steps(scheduler, whole.Optimizer, 0, Half);
        StateMap optimizer = whole.Part.Capture().Copy();
        string[] expected = Steps(scheduler, whole.Optimizer, Half, Half);

        LRScheduler fresh = Schedulers[name](resumed.Optimizer);
        resumed.Part.Restore(optimizer);
        new SchedulerPart(fresh).Restore(new StateMap { { "base_lrs", new StateList([0.5, 0.5]) }, { "last_epoch", (long)Half }, { "warmup_epochs", 3L } });
        Steps(fresh, resumed.Optimizer, Half, Half).ShouldBe(expected);

        LRScheduler sequence = Schedulers["SequentialLR"](resumed.Optimizer);
        Should.Throw<StateMismatchException>(() => new SchedulerPart(sequence).Restore(new StateMap { { "last_epoch", 3L } })).Message.ShouldContain("a counter of its own");
    }

    [Fact]
    public void Another_type_of_scheduler_is_refused()
    {
        using Run run = new(1, Sgd);
        StateMap saved = new SchedulerPart(Schedulers["StepLR"](run.Optimizer)).Capture();
        Should.Throw<StateMismatchException>(() => new SchedulerPart(Schedulers["ExponentialLR"](run.Optimizer)).Restore(saved))
            .Message.ShouldContain("type: expected ExponentialLR, found StepLR");
    }

    [Fact]
    public void Another_scheduler_inside_a_sequence_is_refused()
    {
        using Run run = new(1, Sgd);
        LRScheduler Sequence(LRScheduler second) => lr_scheduler.SequentialLR(run.Optimizer, [lr_scheduler.ConstantLR(run.Optimizer), second], [4]);
        StateMap saved = new SchedulerPart(Sequence(lr_scheduler.StepLR(run.Optimizer, 3))).Capture();
        Should.Throw<StateMismatchException>(() => new SchedulerPart(Sequence(lr_scheduler.ExponentialLR(run.Optimizer))).Restore(saved))
            .Message.ShouldContain("schedulers.1.type");
    }

    [Fact]
    public void The_callers_list_of_milestones_is_left_alone()
    {
        using Run run = new(1, Sgd);
        List<int> milestones = [1, 2];
        StateMap saved = new SchedulerPart(lr_scheduler.MultiStepLR(run.Optimizer, [5, 6, 7])).Capture().Copy();
        SchedulerPart part = new(lr_scheduler.MultiStepLR(run.Optimizer, milestones));
        part.Restore(saved);
        milestones.ShouldBe([1, 2]);
        part.Capture().ShouldHoldTheSameAs(saved);
    }

    [Fact]
    public void Whole_numbers_are_taken_for_fractional_ones()
    {
        using Run run = new(1, Sgd);
        SchedulerPart part = new(lr_scheduler.ExponentialLR(run.Optimizer, 0.9));
        StateMap saved = part.Capture();
        saved["gamma"] = 1;
        part.Restore(saved);
        ((StateScalar)part.Capture()["gamma"]).Value.ShouldBe(1.0);
    }

    static global::TorchSharp.Modules.SGD Sgd(nn.Module model) => SGD(model.parameters(), 0.1, momentum: 0.9);

    static string[] Steps(LRScheduler scheduler, Optimizer optimizer, int from, int count) =>
        [.. Enumerable.Range(from, count).Select(step =>
        {
            if (scheduler is lr_scheduler.impl.ReduceLROnPlateau)
                scheduler.step(step % 7 == 0 ? 10.0 - step : 10.0);
            else
                scheduler.step();
            global::TorchSharp.Modules.SGD.ParamGroup group = optimizer.ParamGroups.Cast<global::TorchSharp.Modules.SGD.ParamGroup>().Single();
            return $"{group.LearningRate:R} {group.Momentum:R} {string.Join(' ', scheduler.get_last_lr() ?? [])}";
        })];
}
