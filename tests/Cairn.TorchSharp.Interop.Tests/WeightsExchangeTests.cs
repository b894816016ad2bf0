using Cairn.Interop.Tests;
using Cairn.State;
using PyTorchSample;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Interop.Tests;

#pragma warning disable xUnit1051 // Each loads a few bytes.
/// <summary>Weights and the state of an optimizer that PyTorch took over and saved again, in one process for all.</summary>
public sealed class WeightsExchangeTests
{
    [Fact]
    public void PyTorch_takes_what_was_saved_and_gives_it_back_bit_for_bit()
    {
        Python.Require();
        using var folder = new TemporaryFolder();
        string At(string name) => Path.Combine(folder.Path, name);
        OptimizerCase adamW = OptimizerCase.All["adamw"];
        using var trained = new TrainedModel(adamW, seed: 1);
        trained.Train(0, 5);
        PyBridgeExample.Save(trained.Model, trained.Optimizer, folder.Path);
        Python.Run("weights.py", [folder.Path]);
        string weights = StateDigest.Of([trained.ModelPart]), all = StateDigest.Of([trained.ModelPart, trained.OptimizerPart]);

        using (var own = new TrainedModel(adamW, seed: 2))
        {
            PyBridgeExample.Load(own.Model, own.Optimizer, folder.Path);
            StateDigest.Of([own.ModelPart, own.OptimizerPart]).ShouldBe(all);
        }
        foreach ((string model, string optimizer) in new[] { ("back.pt", "optimizer-back.pt"), ("both.pt", "both.pt") })
        {
            using var back = new TrainedModel(adamW, seed: 2);
            back.Model.LoadWeights(At(model));
            back.Optimizer.LoadState(At(optimizer), back.Model);
            StateDigest.Of([back.ModelPart, back.OptimizerPart]).ShouldBe(all, model);
        }
        using (var wrapped = new TrainedModel(adamW, seed: 2))
        {
            Should.Throw<StateMismatchException>(() => wrapped.Model.LoadWeights(At("wrapped.pt"))).Message.ShouldContain("StripPrefix");
            wrapped.Model.LoadWeights(At("wrapped.pt"), new LoadWeightsOptions { StripPrefix = "module." });
            StateDigest.Of([wrapped.ModelPart]).ShouldBe(weights);
        }
        using var brain = new TrainedModel(adamW, seed: 2);
        string before = StateDigest.Of([brain.ModelPart]);
        Should.Throw<StateMismatchException>(() => brain.Model.LoadWeights(At("brain.pt"))).Message.ShouldContain("Set Cast");
        StateDigest.Of([brain.ModelPart]).ShouldBe(before);
        LoadWeightsReport report = PyBridgeExample.LoadWhatFits(brain.Model, At("brain.pt"), new Progress<WeightsProgress>(), TestContext.Current.CancellationToken);
        report.Left.ShouldBe(["second.weight", "second.bias"]);
        report.Cast.Select(cast => cast.Name).ShouldBe(["norm.weight", "norm.bias", "first.weight", "first.bias", "norm.running_mean", "norm.running_var"], ignoreOrder: true);
        using Tensor rounded = trained.Model.named_parameters().Single(entry => entry.name == "first.weight").parameter.to(bfloat16).to(float32);
        brain.Model.named_parameters().Single(entry => entry.name == "first.weight").parameter.equal(rounded).all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void The_guide_shows_the_code_that_is_compiled_here()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Cairn.slnx")))
            root = Path.GetDirectoryName(root)!;
        string[] code = File.ReadAllLines(Path.Combine(root, "tests", "Cairn.TorchSharp.Interop.Tests", "PyBridgeExample.cs"));
        string document = File.ReadAllText(Path.Combine(root, "docs", "guides", "pybridge.md"));
        foreach (string part in (string[])["saving", "loading", "options"])
        {
            string[] shown = [.. code.SkipWhile(line => line.Trim() != $"// {part} begins").Skip(1).TakeWhile(line => line.Trim() != $"// {part} ends").Select(line => line.Length > 8 ? line[8..] : line)];
            shown.ShouldNotBeEmpty();
            document.ShouldContain(string.Join('\n', shown), Case.Sensitive);
        }
    }
}
