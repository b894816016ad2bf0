#pragma warning disable xUnit1051 // Each loads a few bytes.
using Cairn.State;
using TorchSharp.Modules;
using static Cairn.TorchSharp.Tests.WeightsFolder;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class LoadWeightsTests : IDisposable
{
    readonly WeightsFolder _folder = new();
    readonly Sequential _from = Network(1), _to = Network(2);

    [Theory]
    [InlineData("weights.pt")]
    [InlineData("weights.pth")]
    [InlineData("weights.bin")]
    [InlineData("weights.safetensors")]
    [InlineData("folder")]
    public void What_was_saved_is_loaded_bit_for_bit(string name)
    {
        _from.SaveWeights(_folder[name]).ShouldAllBe(path => File.Exists(path));
        LoadWeightsReport report = _to.LoadWeights(_folder[name]);
        Values(_to).ShouldBe(Values(_from));
        report.Loaded.ShouldBe(Values(_from).Keys);
        report.Bytes.ShouldBe(Values(_from).Values.Sum(digits => digits.Length / 2));
        report.ToString().ShouldBe($"9 tensors loaded from {_folder[name]}");
    }

    [Fact]
    public void Shards_are_loaded_by_their_folder_and_by_their_index()
    {
        _from.SaveWeights(_folder["shards"], new SaveWeightsOptions { MaxShardBytes = 40 }).Count.ShouldBeGreaterThan(3);
        _to.LoadWeights(_folder["shards"]);
        Values(_to).ShouldBe(Values(_from));
        using Sequential other = Network(3);
        other.LoadWeights(Path.Combine(_folder["shards"], "model.safetensors.index.json"));
        Values(other).ShouldBe(Values(_from));
    }

    [Theory, InlineData(null), InlineData("model")]
    public void A_distributed_checkpoint_of_several_ranks_is_loaded_by_its_folder(string? key)
    {
        _to.SaveWeights(_folder["ranks"], new SaveWeightsOptions { MaxShardBytes = 40 });
        var options = new SaveWeightsOptions { Ranks = 4, Key = key, Overwrite = true };
        Should.Throw<CheckpointException>(() => _from.SaveWeights(_folder["ranks"], new SaveWeightsOptions { Ranks = 4 })).Message.ShouldContain("Overwrite");
        _from.SaveWeights(_folder["ranks"], options).Select(Path.GetFileName).ShouldBe(["__0_0.distcp", "__1_0.distcp", "__2_0.distcp", "__3_0.distcp", ".metadata"]);
        Directory.GetFiles(_folder["ranks"]).Length.ShouldBe(5);
        _to.LoadWeights(_folder["ranks"]);
        Values(_to).ShouldBe(Values(_from));
        Should.Throw<ArgumentOutOfRangeException>(() => _from.SaveWeights(_folder["none"], new SaveWeightsOptions { Ranks = 0 }));
        _from.SaveWeights(_folder["ranks"], new SaveWeightsOptions { Overwrite = true });
        Directory.GetFiles(_folder["ranks"]).Select(Path.GetFileName).ShouldBe(["model.safetensors"]);
    }

    [Fact]
    public void Weights_of_a_folder_are_replaced_only_when_asked_and_no_old_shard_stays()
    {
        _to.SaveWeights(_folder["model"]);
        Should.Throw<CheckpointException>(() => _from.SaveWeights(_folder["model"])).Message.ShouldContain("Overwrite");
        _from.SaveWeights(_folder["model"], new SaveWeightsOptions { MaxShardBytes = 40, Overwrite = true });
        File.Exists(Path.Combine(_folder["model"], "model.safetensors")).ShouldBeFalse();
        _to.LoadWeights(_folder["model"]);
        Values(_to).ShouldBe(Values(_from));
    }

    [Fact]
    public void Names_and_shapes_that_do_not_fit_are_listed_and_nothing_is_changed()
    {
        using Sequential other = nn.Sequential(("first", nn.Linear(3, 4)), ("norm", nn.BatchNorm1d(4)), ("second", nn.Linear(4, 5)), ("third", nn.Linear(5, 1)));
        other.SaveWeights(_folder["other.pt"], new SaveWeightsOptions { Leave = ["first.bias"] });
        Dictionary<string, string> before = Values(_to);
        StateMismatchException refused = Should.Throw<StateMismatchException>(() => _to.LoadWeights(_folder["other.pt"]));
        refused.Problems.Missing.ShouldBe(["first.bias"]);
        refused.Problems.Unexpected.ShouldBe(["third.weight", "third.bias"]);
        refused.Problems.Mismatched.ShouldBe(["second.weight: expected F32[2, 4], found F32[5, 4]", "second.bias: expected F32[2], found F32[5]"]);
        refused.Message.ShouldContain("nothing was changed");
        // Other shapes are an error also when it is not strict.
        Should.Throw<StateMismatchException>(() => _to.LoadWeights(_folder["other.pt"], new LoadWeightsOptions { Strict = false }));
        Values(_to).ShouldBe(before);

        LoadWeightsReport report = _to.LoadWeights(_folder["other.pt"], new LoadWeightsOptions { Strict = false, IgnoreMismatched = true });
        report.Missing.ShouldBe(["first.bias"]);
        report.Unexpected.ShouldBe(["third.weight", "third.bias"]);
        report.Mismatched.ShouldBe(["second.weight (F32[2, 4] here, F32[5, 4] there)", "second.bias (F32[2] here, F32[5] there)"]);
        report.Loaded.ShouldBe(["first.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"], ignoreOrder: true);
        Values(_to)["first.weight"].ShouldBe(Values(other)["first.weight"]);
        Values(_to)["second.weight"].ShouldBe(before["second.weight"]);
        report.ToString().ShouldContain("2 unexpected in the source: third.weight, third.bias");
    }

    [Fact]
    public void What_fits_nowhere_is_refused_also_when_it_is_not_strict()
    {
        using Sequential other = nn.Sequential(("elsewhere", nn.Linear(1, 1)));
        other.SaveWeights(_folder["other.pt"]);
        Should.Throw<StateMismatchException>(() => _to.LoadWeights(_folder["other.pt"], new LoadWeightsOptions { Strict = false })).Message.ShouldContain("Nothing in");
    }

    [Fact]
    public void Patterns_take_and_leave_and_a_slip_in_one_is_an_error()
    {
        _from.SaveWeights(_folder["first.pt"], new SaveWeightsOptions { Take = ["first.*", "norm.*"] });
        Dictionary<string, string> before = Values(_to);
        LoadWeightsReport report = _to.LoadWeights(_folder["first.pt"], new LoadWeightsOptions { Take = ["first.*"], Leave = ["*.bias"] });
        report.Loaded.ShouldBe(["first.weight"]);
        report.Left.Count.ShouldBe(8);
        Values(_to).Where(entry => entry.Key != "first.weight").ShouldAllBe(entry => entry.Value == before[entry.Key]);
        Values(_to)["first.weight"].ShouldBe(Values(_from)["first.weight"]);
        Should.Throw<CheckpointException>(() => _to.LoadWeights(_folder["first.pt"], new LoadWeightsOptions { Take = ["frist.*"] })).Message.ShouldContain("'frist.*' fits no name");
    }

    [Theory]
    [InlineData("module.", "module.", "")]
    [InlineData("_orig_mod.", LoadWeightsOptions.Auto, "_orig_mod.")]
    [InlineData("module._orig_mod.", LoadWeightsOptions.Auto, "_orig_mod., module.")]
    [InlineData("module.model.", LoadWeightsOptions.Auto, "module., model.")]
    [InlineData("", LoadWeightsOptions.Auto, "")]
    public void Prefixes_are_taken_off_as_given_or_as_the_module_asks(string prefix, string strip, string noted)
    {
        _from.SaveWeights(_folder["prefixed.pt"], new SaveWeightsOptions { AddPrefix = prefix });
        LoadWeightsReport report = _to.LoadWeights(_folder["prefixed.pt"], new LoadWeightsOptions { StripPrefix = strip });
        Values(_to).ShouldBe(Values(_from));
        report.Notes.ShouldBe(noted.Length == 0 ? [] : [$"taken off the names: {noted}"]);
    }

    [Fact]
    public void A_prefix_that_is_in_the_way_is_named_and_one_that_is_not_there_is_an_error()
    {
        _from.SaveWeights(_folder["prefixed.pt"], new SaveWeightsOptions { AddPrefix = "module." });
        Should.Throw<StateMismatchException>(() => _to.LoadWeights(_folder["prefixed.pt"])).Message.ShouldEndWith("StripPrefix = \"auto\" takes off module.");
        Should.Throw<CheckpointException>(() => _to.LoadWeights(_folder["prefixed.pt"], new LoadWeightsOptions { StripPrefix = "model." })).Message.ShouldContain("begins with the StripPrefix 'model.'");
    }

    [Fact]
    public void Names_are_changed_by_pairs_and_by_rules()
    {
        using Sequential other = nn.Sequential(("a", nn.Linear(3, 4)), ("norm", nn.BatchNorm1d(4)), ("b", nn.Linear(4, 2)));
        other.SaveWeights(_folder["other.safetensors"]);
        _to.LoadWeights(_folder["other.safetensors"], new LoadWeightsOptions { Rename = [("a.{p}", "first.{p}"), ("b.{p}", "second.{p}")] });
        Values(_to).Values.ShouldBe(Values(other).Values);

        // Rules cut matrices too.
        using Sequential fused = nn.Sequential(("both", nn.Linear(3, 4, hasBias: false))), apart = nn.Sequential(("left", nn.Linear(3, 2, hasBias: false)), ("right", nn.Linear(3, 2, hasBias: false)));
        fused.SaveWeights(_folder["fused.safetensors"]);
        File.WriteAllText(_folder["rules.json"], """{ "rules": [{ "from": "both.{p}", "to": ["left.{p}", "right.{p}"], "how": "split" }] }""");
        apart.LoadWeights(_folder["fused.safetensors"], new LoadWeightsOptions { Rules = _folder["rules.json"] });
        string.Concat(Values(apart).Values).ShouldBe(Values(fused)["both.weight"]);
    }

    [Fact]
    public void Weights_under_a_key_are_found_and_other_keys_are_named()
    {
        _from.SaveWeights(_folder["ema.pt"], new SaveWeightsOptions { Key = "averaged" });
        _to.LoadWeights(_folder["ema.pt"], new LoadWeightsOptions { Key = "averaged" });
        Values(_to).ShouldBe(Values(_from));
        Should.Throw<CheckpointException>(() => _to.LoadWeights(_folder["ema.pt"], new LoadWeightsOptions { Key = "mean" })).Message.ShouldContain("it has averaged");
        Should.Throw<CheckpointException>(() => _to.LoadWeights(_folder["ema.pt"])).Message.ShouldContain("those below it are: averaged");
        // The usual ones need no key.
        _from.SaveWeights(_folder["usual.pt"], new SaveWeightsOptions { Key = "state_dict" });
        using Sequential other = Network(3);
        other.LoadWeights(_folder["usual.pt"]);
        Values(other).ShouldBe(Values(_from));
    }

    [Fact]
    public void Another_type_is_refused_or_cast_and_then_reported()
    {
        _from.SaveWeights(_folder["brain.safetensors"], new SaveWeightsOptions { Type = TensorType.BF16 });
        Dictionary<string, string> before = Values(_to);
        StateMismatchException refused = Should.Throw<StateMismatchException>(() => _to.LoadWeights(_folder["brain.safetensors"]));
        refused.Problems.Mismatched[0].ShouldBe("first.weight: expected F32[4, 3], found BF16[4, 3]");
        refused.Message.ShouldEndWith("Set Cast to round or widen to the module's types.");
        Values(_to).ShouldBe(before);

        LoadWeightsReport report = _to.LoadWeights(_folder["brain.safetensors"], new LoadWeightsOptions { Cast = true });
        report.Cast.Count.ShouldBe(8);
        report.Cast[0].ShouldBe(new CastWeight("first.weight", TensorType.BF16, TensorType.F32));
        using Tensor expected = _from.named_parameters().First().parameter.to(bfloat16).to(float32);
        Values(_to)["first.weight"].ShouldBe(Convert.ToHexString(expected.Bytes()));
        _to.named_parameters().ShouldAllBe(entry => entry.parameter.dtype == float32 && entry.parameter.requires_grad);
        Values(_to)["norm.num_batches_tracked"].ShouldBe(Values(_from)["norm.num_batches_tracked"]);
    }

    [Fact]
    public void A_tied_weight_needs_one_of_its_names_and_stays_tied()
    {
        using ModulePartTests.Tied from = new(1), to = new(2);
        from.SaveWeights(_folder["tied.pt"], new SaveWeightsOptions { Leave = ["head.*"] });
        to.LoadWeights(_folder["tied.pt"]).Loaded.ShouldBe(["embed.weight", "head.weight"], ignoreOrder: true);
        to.Head.weight.Bytes().ShouldBe(from.Embed.weight!.Bytes());

        using Sequential untied = nn.Sequential(("embed", nn.Embedding(10, 4)), ("head", nn.Linear(4, 10, hasBias: false)));
        untied.SaveWeights(_folder["untied.pt"]);
        Should.Throw<StateMismatchException>(() => to.LoadWeights(_folder["untied.pt"])).Message.ShouldContain("with which it is tied");
        using (no_grad())
            to.Embed.weight!.zero_();
        to.Head.weight.Bytes().ShouldAllBe(value => value == 0);
    }

    [Fact]
    public void A_cancelled_load_says_what_it_left_and_undoes_it_when_asked()
    {
        _from.SaveWeights(_folder["weights.pt"]);
        Dictionary<string, string> before = Values(_to);
        using var none = new CancellationTokenSource();
        none.Cancel();
        Should.Throw<OperationCanceledException>(() => _to.LoadWeights(_folder["weights.pt"], cancellationToken: none.Token));
        Values(_to).ShouldBe(before);

        using var second = new CancellationTokenSource();
        Should.Throw<OperationCanceledException>(() => _to.LoadWeights(_folder["weights.pt"], new LoadWeightsOptions { UndoOnFailure = true }, new Told(second), second.Token)).Message.ShouldContain("as it was");
        Values(_to).ShouldBe(before);

        using var third = new CancellationTokenSource();
        Should.Throw<OperationCanceledException>(() => _to.LoadWeights(_folder["weights.pt"], progress: new Told(third), cancellationToken: third.Token)).Message.ShouldContain("1 of 9 tensors");
        Values(_to)["first.weight"].ShouldBe(Values(_from)["first.weight"]);
    }

    [Fact]
    public void Progress_ends_at_all_bytes_when_reading_and_when_writing()
    {
        var told = new Told(null);
        _from.SaveWeights(_folder["weights.safetensors"], progress: told);
        told.Last.BytesDone.ShouldBe(told.Last.BytesTotal);
        told.Last.BytesTotal.ShouldBe(Values(_from).Values.Sum(digits => digits.Length / 2));
        var read = new Told(null);
        _to.LoadWeights(_folder["weights.safetensors"], progress: read);
        read.Last.BytesDone.ShouldBe(told.Last.BytesTotal);
        Values(_to).ShouldBe(Values(_from));
    }

    [Fact]
    public async Task A_run_gives_the_weights_that_a_restart_would_take()
    {
        var train = new TrainState();
        var options = new CheckpointOptions { Folder = _folder["run"], CheckpointEvery = 1, Asynchronous = false, HandleSignals = false };
        using optim.Optimizer optimizer = optim.AdamW(_from.parameters());
        await using (CheckpointManager checkpoints = await CheckpointManager.StartAsync(options, train, TorchState.Parts(_from, optimizer), cancellationToken: TestContext.Current.CancellationToken))
        {
            train.CompleteStep();
            checkpoints.AfterBatch();
            checkpoints.Complete();
        }
        _to.LoadWeights(_folder["run"]);
        Values(_to).ShouldBe(Values(_from));
        using optim.Optimizer other = optim.AdamW(_to.parameters(), 0.5);
        other.LoadState(_folder["run"], _to);
        other.ParamGroups.Single().LearningRate.ShouldBe(optimizer.ParamGroups.Single().LearningRate);
    }

    [Fact]
    public void A_name_that_says_no_format_is_refused()
    {
        Should.Throw<CheckpointException>(() => _from.SaveWeights(_folder["weights.zip"])).Message.ShouldContain("'.zip' says no format");
        Should.Throw<CheckpointException>(() => _from.SaveWeights(_folder["w.safetensors"], new SaveWeightsOptions { Key = "model" })).Message.ShouldContain("have keys");
    }

    public void Dispose()
    {
        _from.Dispose();
        _to.Dispose();
        _folder.Dispose();
    }

    sealed class Told(CancellationTokenSource? cancel) : IProgress<WeightsProgress>
    {
        public WeightsProgress Last { get; private set; }

        public void Report(WeightsProgress value)
        {
            Last = value;
            cancel?.Cancel();
        }
    }
}
