using Cairn.Interop.Tests;
using Cairn.State;
using PyTorchSample;

namespace Cairn.TorchSharp.Interop.Tests;

public class PyTorchExampleTests
{
    [Fact]
    public void The_example_saves_and_goes_on()
    {
        OptimizerCase adamW = OptimizerCase.All["adamw"];
        using var folder = new TemporaryFolder();
        using var model = new TrainedModel(adamW, seed: 1);
        model.Train(0, 3);
        PyTorchExample.Save(model.Model, model.Optimizer, folder.Path);
        Directory.GetFiles(folder.Path).Select(Path.GetFileName).ShouldBe(["trained.pt"]);
        using var other = new TrainedModel(adamW, seed: 2);
        PyTorchExample.GoOn(other.Model, other.Optimizer, Path.Combine(folder.Path, "trained.pt"));
        StateDigest.Of([other.ModelPart, other.OptimizerPart]).ShouldBe(StateDigest.Of([model.ModelPart, model.OptimizerPart]));
    }

    [Fact]
    public void The_document_shows_the_code_that_is_compiled_here()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Cairn.slnx")))
            root = Path.GetDirectoryName(root)!;
        string[] code = File.ReadAllLines(Path.Combine(root, "tests", "Cairn.TorchSharp.Interop.Tests", "PyTorchExample.cs"));
        string document = File.ReadAllText(Path.Combine(root, "docs", "pytorch-exchange.md"));
        foreach (string part in (string[])["saving", "going on"])
        {
            IEnumerable<string> shown = code.SkipWhile(line => line.Trim() != $"// {part} begins").Skip(1).TakeWhile(line => line.Trim() != $"// {part} ends").Select(line => line.Length > 8 ? line[8..] : line);
            document.ShouldContain(string.Join('\n', shown), Case.Sensitive);
        }
    }
}
