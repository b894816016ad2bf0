using Cairn.Formats.Torch;
using Cairn.Layouts.PyTorch;
using Cairn.Saving;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>Loads and saves the state of an optimizer with one call, as PyTorch's <c>optimizer.state_dict()</c> and from wherever else Cairn finds one.</summary>
public static class OptimizerFiles
{
    /// <summary>
    /// Loads an optimizer's state: step counts, moments, and the options of its groups, which are those of the file afterwards, as in PyTorch. Type, groups, names or places, dtypes and shapes are compared before anything
    /// is changed. PyTorch's states go by position: the optimizer must have got its parameters in the same order and groups.
    /// </summary>
    /// <param name="optimizer">Any optimizer of TorchSharp but LBFGS.</param>
    /// <param name="path">A file of PyTorch with the state by itself or under a key, or anything else that <see cref="ModuleWeights.LoadWeights"/> opens.</param>
    /// <param name="module">The module whose parameters it optimizes, or some of them; it gives the names.</param>
    /// <param name="key">Where in the file it is, names joined by <c>/</c>: <c>optimizers/0</c>. Default: <see langword="null"/>, the part <c>optimizer</c>, as which <c>optimizer</c>, <c>optimizer_state_dict</c> and their like count.</param>
    /// <exception cref="StateMismatchException">It does not fit; the message lists what, and nothing was changed.</exception>
    /// <exception cref="CheckpointException">There is no such state at the path, it is damaged, or the optimizer is LBFGS.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    public static void LoadState(this torch.optim.Optimizer optimizer, string path, torch.nn.Module module, string? key = null)
    {
        var part = new OptimizerPart(optimizer, module);
        using WeightsSource source = WeightsSource.Open(path);
        part.Restore(source.Find(key, part.Name));
    }

    /// <summary>Saves the optimizer's state as a file that <c>optimizer.load_state_dict(torch.load(path))</c> of PyTorch takes. It is written beside its place and renamed when it is whole.</summary>
    /// <param name="optimizer">Any optimizer of TorchSharp but LBFGS.</param>
    /// <param name="path">A file that ends in <c>.pt</c>, <c>.pth</c> or <c>.bin</c>; one that is there is replaced.</param>
    /// <param name="module">The module whose parameters it optimizes, or some of them.</param>
    /// <param name="key">The key in the file under which it is. Default: <see langword="null"/>, the file is nothing but it.</param>
    /// <param name="cancellationToken">Stops between two blocks; the file that was begun is removed.</param>
    /// <exception cref="CheckpointException">The optimizer is LBFGS, or one that PyTorch lacks; or the name's ending is another.</exception>
    /// <exception cref="IOException">The file could not be written.</exception>
    public static void SaveState(this torch.optim.Optimizer optimizer, string path, torch.nn.Module module, string? key = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var part = new OptimizerPart(optimizer, module);
        if (Path.GetExtension(path) is not (".pt" or ".pth" or ".bin"))
            throw new CheckpointException($"The state of an optimizer cannot be saved as {path}. Use a file of PyTorch, which ends in .pt, .pth or .bin; a checkpoint of Cairn holds it too.") { Path = path };
        TorchMap state = TorchOptimizer.ToTorch(part.Capture());
        TorchFileWriter.Plan(key is null ? state : new TorchMap { [key] = state }, ModuleWeights.ArchiveName(path)).SaveTo(path, cancellationToken);
    }
}
