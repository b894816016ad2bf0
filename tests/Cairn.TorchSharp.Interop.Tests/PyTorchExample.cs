using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;
using Cairn.Saving;
using Cairn.State;
using Cairn.TorchSharp;
using static TorchSharp.torch;

namespace PyTorchSample;

/// <summary>The code of <c>docs/pytorch-exchange.md</c>.</summary>
static class PyTorchExample
{
    public static void Save(nn.Module model, optim.Optimizer optimizer, string folder)
    {
        // saving begins
        var values = new TorchMap
        {
            ["model"] = TorchTree.FromState(new ModulePart(model).Capture()),
            ["optimizer"] = TorchOptimizer.ToTorch(new OptimizerPart(optimizer, model).Capture()),
        };
        TorchFileWriter.Plan(values, "trained").SaveTo(Path.Combine(folder, "trained.pt"));
        // saving ends
    }

    public static void GoOn(nn.Module model, optim.Optimizer optimizer, string path)
    {
        // going on begins
        using TorchFile file = TorchFile.Map(path);
        var state = (StateMap)TorchTree.ToState(file.Root);
        new ModulePart(model).Restore((StateMap)state["model"]);
        new OptimizerPart(optimizer, model).Restore((StateMap)state["optimizer"]);
        // going on ends
    }
}
