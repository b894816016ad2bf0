using Cairn.Formats.Torch;
using Cairn.Layouts;
using Cairn.Layouts.InternLm;
using Cairn.Saving;
using Cairn.State;
using Cairn.Tests.Stores;

namespace Cairn.Tests.Layouts.InternLm;

/// <summary>What InternEvo's scheduler, sampler and loss scaler find in a folder of ours, key by key.</summary>
public class InternLmProgressTests
{
    // What the state_dict() of its classes has. Of these its loaders end with an error without the needed ones; for the others its own configuration stands.
    static readonly string[] SchedulerKeys =
    [
        "_init_steps", "_warmup_steps", "warmup_epochs", "finished", "base_lrs", "last_epoch", "verbose", "_step_count", "_get_lr_called_within_step", "_last_lr",
        "after_scheduler_type", "after_scheduler_dict",
    ];
    static readonly string[] CosineKeys = ["T_max", "eta_min", "base_lrs", "last_epoch", "verbose", "_step_count", "_get_lr_called_within_step", "_last_lr"];
    static readonly string[] SchedulerNeeds = ["base_lrs", "after_scheduler_type", "after_scheduler_dict"];
    static readonly string[] SamplerNeeds = ["raw_rampup_batch_size", "rng_state", "epoch", "seed", "data_world_size", "num_consumed_samples_in_epoch", "batch_count"];

    static readonly StateMap Configured = new() { { "total_steps", 32L }, { "init_steps", 0L }, { "warmup_ratio", 0.3 }, { "eta_min", 1e-5 } };
    static readonly StateMap Lambda = new() { { "type", "LambdaLR" }, { "last_epoch", 15L } };

    [Fact]
    public void After_the_warm_up_the_scheduler_stands_as_InternEvo_saves_it()
    {
        // The numbers are those of a folder that InternEvo wrote after 15 steps of this configuration.
        TorchMap state = Scheduler(15, rate: 0.0008428638058932338, Configured);
        state.Select(entry => entry.Key.ToString()).ShouldBe(SchedulerKeys);
        Values(state).ShouldBe("0 9 9 True [0.001 0.001] 9 False 10 False [0.0008428638058932338 0.0008428638058932338] CosineAnnealingLR {8}");
        var cosine = (TorchMap)state["after_scheduler_dict"];
        cosine.Select(entry => entry.Key.ToString()).ShouldBe(CosineKeys);
        Values(cosine).ShouldBe("23 1E-05 [0.001 0.001] 6 False 7 False [0.0008428638058932338 0.0008428638058932338]");
    }

    [Fact]
    public void Within_the_warm_up_it_is_not_finished_and_the_cosine_stands_at_its_start()
    {
        TorchMap state = Scheduler(5, rate: 6e-4, Configured);
        Values(state).ShouldBe("0 9 9 False [0.001 0.001] 5 False 6 False [0.0006 0.0006] CosineAnnealingLR {8}");
        Values((TorchMap)state["after_scheduler_dict"]).ShouldBe("23 1E-05 [0.001 0.001] 0 False 1 False [0.001 0.001]");
    }

    [Fact]
    public void A_schedule_that_nobody_described_leaves_InternEvo_its_own()
    {
        TorchMap state = Scheduler(15, rate: 5e-4, configured: null);
        foreach (string key in SchedulerNeeds)
            state.Find(key).ShouldNotBeNull(key);
        foreach (string key in (string[])["_init_steps", "_warmup_steps", "warmup_epochs"])
            state.Find(key).ShouldBeNull(key);
        // Its warm-up may not be over, and it decides so itself. Where it is, the cosine is at the next step.
        Values(state).ShouldBe("False [0.001 0.001] 15 False 16 False [0.0005 0.0005] CosineAnnealingLR {6}");
        Values((TorchMap)state["after_scheduler_dict"]).ShouldBe("[0.001 0.001] 16 False 17 False [0.0005 0.0005]");
    }

    [Fact]
    public void Steps_before_the_warm_up_belong_to_it()
    {
        TorchMap state = Scheduler(10, rate: 1e-3, new StateMap { { "total_steps", 100L }, { "init_steps", 4L }, { "warmup_steps", 6L } });
        Values(state).ShouldStartWith("4 6 10 True [0.001 0.001] 10 False 11 ");
        Values((TorchMap)state["after_scheduler_dict"]).ShouldStartWith("90 0 [0.001 0.001] 0 False 1 ");
    }

    [Fact]
    public void Schedulers_of_TorchSharp_describe_themselves()
    {
        StateMap cosine = new() { { "type", "CosineAnnealingLR" }, { "T_max", 20.0 }, { "eta_min", 1e-4 }, { "last_epoch", 5L } };
        Values(Scheduler(5, 1e-3, null, cosine)).ShouldStartWith("0 0 0 True [0.001 0.001] 0 False 1 ");
        StateMap sequence = new() { { "type", "SequentialLR" }, { "schedulers", new StateList([new StateMap { { "type", "LinearLR" } }, cosine]) }, { "milestones", new StateList([4L]) } };
        TorchMap state = Scheduler(5, 1e-3, null, sequence);
        Values(state).ShouldStartWith("0 4 4 True [0.001 0.001] 4 False 5 ");
        Values((TorchMap)state["after_scheduler_dict"]).ShouldStartWith("20 0.0001 [0.001 0.001] 1 False 2 ");
    }

    [Fact]
    public void The_sampler_has_all_that_InternEvo_takes_and_compares()
    {
        TorchMap state = Sampler(new StateMap { { "order", "mine" }, { "seed", 5L }, { "epoch", 1L }, { "position", 12L } });
        state.Select(entry => entry.Key.ToString()).ShouldBe(SamplerNeeds);
        Values(state).ShouldBe(" [MT19937 [624] 624 0 0] 1 5 1 12 18");
        // InternEvo refuses another seed than the one of its configuration, which the run may keep.
        TorchMap configured = Sampler(new StateMap { { "seed", 5L } }, new StateMap { { "seed", 7L }, { "rampup_batch_size", "6 2 8" }, { "micro_num", 4L } });
        Values(configured).ShouldBe("4 6 2 8 [MT19937 [624] 624 0 0] 2 7 1 640 18");
    }

    [Fact]
    public void The_random_state_is_the_one_that_numpy_makes_of_the_seed()
    {
        // numpy.random.RandomState(1024).get_state(); without a seed InternEvo takes this one.
        var words = (TorchList)((TorchList)Sampler(new StateMap { { "epoch", 0L } })["rng_state"])[1];
        long[] found = [.. words.Select(word => (long)((TorchScalar)word).Value!)];
        (found.Length, found[0], found[1], found[2], found[622], found[623]).ShouldBe((624, 1024L, 505779201L, 2031021415L, 2550656436L, 2169581885L));
    }

    [Theory, InlineData("_scale", "_growth_step", 3L), InlineData("scale", "growth_tracker", 0L)]
    public void The_loss_scale_is_in_the_optimizers_file(string scale, string good, long bad)
    {
        StateMap scaler = new() { { scale, 4096.0 }, { good, 77L }, { "_hysteresis_step", bad } };
        Values((TorchMap)Saved("optimizer_tp0_pp0_zo0.pt", [.. Optimized(1e-3), ("scaler", scaler)])["grad_scaler"]).ShouldBe($"4096 77 {bad}");
    }

    [Theory, InlineData(true, 0), InlineData(false, 1)]
    public void A_model_of_fp32_stands_in_the_group_that_its_InternEvo_expects(bool isLater, long group)
    {
        StateMap values = new() { { "model_config", isLater ? new StateMap { { "enable_qkv_fusion", false } } : new StateMap { { "hidden_size", 2L } } } };
        TorchMap state = Saved("optimizer_tp0_pp0_zo0.pt", [.. Optimized(1e-3), ("context", new StateMap { { "values", values } })]);
        ((TorchMap)state["flat_fp32_weights"]).Select(entry => ((TorchScalar)entry.Key).Value).ShouldBe([group]);
        var groups = (TorchList)((TorchMap)state["base_optim_states"])["param_groups"];
        groups.Select(item => Text(((TorchMap)item)["params"])).ShouldBe(isLater ? ["[0]", "[]"] : ["[]", "[0]"]);
    }

    [Fact]
    public void What_InternEvo_saved_is_written_as_it_was()
    {
        StateMap scheduler = new() { { "base_lrs", new StateList([1e-3]) }, { "last_epoch", 9L }, { "after_scheduler_type", "CosineAnnealingLR" }, { "after_scheduler_dict", new StateMap() } };
        StateMap sampler = new() { { "raw_rampup_batch_size", "" }, { "batch_count", 3L } };
        (string, StateMap)[] parts = [.. Optimized(1e-3), ("scheduler", scheduler), ("sampler", sampler)];
        Saved("schedulder.pt", parts).Select(entry => entry.Key.ToString()).ShouldBe(scheduler.Keys);
        Saved("sampler.pt", parts).Select(entry => entry.Key.ToString()).ShouldBe(sampler.Keys);
        InternLmLayout.Instance.Plan(3, parts).Select(file => file.Name).ShouldNotContain(name => name.StartsWith("cairn_", StringComparison.Ordinal));
    }

    static TorchMap Scheduler(long step, double rate, StateMap? configured, StateMap? scheduler = null) =>
        Saved("schedulder.pt", [.. Optimized(rate), ("scheduler", scheduler ?? Lambda), Context(step, "lr_scheduler", configured)]);

    static TorchMap Sampler(StateMap sampler, StateMap? data = null) => Saved("sampler.pt", [("sampler", sampler), Context(15, "data", data)]);

    static (string, StateMap) Context(long step, string name, StateMap? configured)
    {
        StateMap values = [];
        if (configured is not null)
            values.Add(name, configured);
        return ("context", new StateMap { { "step_count", step }, { "batch_count", 17L }, { "epoch", 2L }, { "num_consumed_samples_in_epoch", 640L }, { "values", values } });
    }

    static (string, StateMap)[] Optimized(double rate)
    {
        StateMap group = new() { { "lr", rate }, { "initial_lr", 1e-3 }, { "params", new StateList(["w"]) } };
        return
        [
            ("model", new StateMap { { "w", new MemoryTensor(TensorType.F32, [2], new byte[8]) } }),
            ("optimizer", new StateMap { { "type", "AdamW" }, { "state", new StateMap() }, { "groups", new StateList([group]) } }),
        ];
    }

    static TorchMap Saved(string name, (string, StateMap)[] parts)
    {
        var files = new SimulatedFileSystem();
        PlannedFile planned = InternLmLayout.Instance.Plan(15, parts).Single(file => file.Name == name);
        FilesWriter.Write([new FileToWrite(planned.Name, planned.Content, () => files.OpenWrite(planned.Name, planned.Length))], _ => { }, TestContext.Current.CancellationToken);
        using TorchFile opened = TorchFile.Open(files, name);
        return (TorchMap)opened.Root;
    }

    static string Values(TorchMap map) => string.Join(' ', map.Select(entry => Text(entry.Value)));

    static string Text(TorchValue value) => value switch
    {
        TorchMap map => $"{{{map.Count}}}",
        TorchList { Count: > 9 } list => $"[{list.Count}]",
        TorchList list => $"[{string.Join(' ', list.Select(Text))}]",
        TorchScalar { Value: double number } => number.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };
}
