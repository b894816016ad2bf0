using Cairn.TorchSharp;
using static TorchSharp.torch;

namespace PyTorchSample;

/// <summary>The code of <c>docs/guides/pybridge.md</c>.</summary>
static class PyBridgeExample
{
    public static void Save(nn.Module model, optim.Optimizer optimizer, string folder)
    {
        // saving begins
        model.SaveWeights(Path.Combine(folder, "model.pt"));                // torch.load takes it
        model.SaveWeights(Path.Combine(folder, "model.safetensors"));
        model.SaveWeights(Path.Combine(folder, "hub"));                     // a folder, as save_pretrained makes it
        optimizer.SaveState(Path.Combine(folder, "optimizer.pt"), model);
        // saving ends
    }

    public static void Load(nn.Module model, optim.Optimizer optimizer, string folder)
    {
        // loading begins
        model.LoadWeights(Path.Combine(folder, "model.pt"));
        model.LoadWeights(Path.Combine(folder, "model.safetensors"));
        model.LoadWeights(Path.Combine(folder, "hub"));
        optimizer.LoadState(Path.Combine(folder, "optimizer.pt"), model);
        // loading ends
    }

    public static LoadWeightsReport LoadWhatFits(nn.Module model, string path, IProgress<WeightsProgress> progress, CancellationToken cancellationToken)
    {
        // options begins
        LoadWeightsReport report = model.LoadWeights(path, new LoadWeightsOptions
        {
            Strict = false,                                                 // names may be missing, or too many
            Leave = ["second.*"],                                           // the head stays as it is
            StripPrefix = LoadWeightsOptions.Auto,                          // module., _orig_mod., model.
            Rename = [("encoder.{x*}", "first.{x*}")],
            Cast = true,                                                    // bfloat16 in the file, float32 here
        }, progress, cancellationToken);
        Console.WriteLine(report);                                          // loaded, missing, unexpected, cast
        // options ends
        return report;
    }
}
