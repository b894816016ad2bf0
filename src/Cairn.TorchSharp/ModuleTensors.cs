using TorchSharp;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>
/// Walks a module tree by itself: TorchSharp's named_parameters leaves out the second name of a tied weight, and its
/// named_buffers those of shared submodules.
/// </summary>
internal static class ModuleTensors
{
    /// <summary>All parameters with all their names, in the order of registration.</summary>
    public static List<(string Name, Parameter Parameter)> Parameters(torch.nn.Module module) =>
        [.. Walk(module, "").SelectMany(at => at.Module.named_parameters(recurse: false), (at, entry) => (at.Prefix + entry.name, entry.parameter))];

    /// <summary>All persistent buffers with all their names.</summary>
    public static List<(string Name, torch.Tensor Buffer)> Buffers(torch.nn.Module module) =>
        [.. Walk(module, "").SelectMany(at => at.Module.named_buffers(recurse: false, include_nonpersistent: false), (at, entry) => (at.Prefix + entry.name, entry.buffer))];

    /// <summary>All buffers, those too that are not saved.</summary>
    public static IEnumerable<torch.Tensor> AllBuffers(torch.nn.Module module) =>
        Walk(module, "").SelectMany(static at => at.Module.named_buffers(recurse: false, include_nonpersistent: true)).Select(static entry => entry.buffer);

    private static IEnumerable<(string Prefix, torch.nn.Module Module)> Walk(torch.nn.Module module, string prefix)
    {
        yield return (prefix, module);
        foreach ((string name, torch.nn.Module child) in module.named_children())
        {
            foreach ((string, torch.nn.Module) below in Walk(child, $"{prefix}{name}."))
                yield return below;
        }
    }
}
