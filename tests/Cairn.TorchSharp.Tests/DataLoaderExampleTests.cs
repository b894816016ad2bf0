using QuickStartSample;
using TorchSharp.Modules;
using static Cairn.TorchSharp.Tests.WeightsFolder;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

public sealed class DataLoaderExampleTests
{
    [Fact]
    public async Task The_loop_goes_on_in_the_middle_of_an_epoch_and_makes_the_same_weights()
    {
        // 5 batches an epoch, two of them skipped; 7 steps end within the second epoch.
        using var folder = new WeightsFolder();
        string whole = await TrainAsync(folder["whole"], 18, seed: 1);
        string cut = await TrainAsync(folder["cut"], 7, seed: 1);
        (cut == whole).ShouldBeFalse();
        string resumed = await TrainAsync(folder["cut"], 18, seed: 2);
        (resumed == whole).ShouldBeTrue();
    }

    [Fact]
    public void Several_models_are_parts_by_their_names()
    {
        using Sequential g = Network(1), d = Network(2);
        using optim.Optimizer gOptimizer = optim.Adam(g.parameters()), dOptimizer = optim.Adam(d.parameters());
        DataLoaderExample.Several(g, d, gOptimizer, dOptimizer, new ResumableSampler(3)).Select(part => part.Name)
            .ShouldBe(["generator", "discriminator", "generator_optimizer", "discriminator_optimizer", "sampler", "random"]);
    }

    [Theory, InlineData("loader"), InlineData("several")]
    public void The_page_shows_the_code_that_is_compiled_here(string part)
    {
        string[] code = File.ReadAllLines(Path.Combine(Repository.Root, "tests", "Cairn.TorchSharp.Tests", "DataLoaderExample.cs"));
        string[] shown = [.. code.SkipWhile(line => line.Trim() != $"// {part} begins").Skip(1).TakeWhile(line => line.Trim() != $"// {part} ends").Select(line => line.Length > 8 ? line[8..] : line)];
        shown.ShouldNotBeEmpty();
        File.ReadAllText(Path.Combine(Repository.Root, "docs", "training-loops.md")).ShouldContain(string.Join('\n', shown), Case.Sensitive);
    }

    static async Task<string> TrainAsync(string folder, long steps, long seed)
    {
        using Sequential model = Network(seed);
        using optim.Optimizer optimizer = optim.Adam(model.parameters(), 0.01);
        await DataLoaderExample.TrainAsync(model, optimizer, new Points(), new CheckpointOptions { Folder = folder, TotalSteps = steps, CheckpointEvery = 3, Asynchronous = false, HandleSignals = false }, epochs: 4);
        return string.Concat(Values(model).Values);
    }

    sealed class Points : utils.data.Dataset
    {
        public override long Count => 22;

        public override Dictionary<string, Tensor> GetTensor(long index) => new(StringComparer.Ordinal) { ["x"] = tensor(new[] { index * 0.1f, 1 - (index * 0.2f), index % 3 }), ["y"] = tensor(new[] { index * 0.05f, 0.5f }) };
    }
}
