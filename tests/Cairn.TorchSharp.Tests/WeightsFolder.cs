using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.TorchSharp.Tests;

/// <summary>A temporary folder for files of weights, and the small modules that go into them.</summary>
sealed class WeightsFolder : IDisposable
{
    readonly string _path = Directory.CreateTempSubdirectory("cairn-weights-").FullName;

    /// <summary>A path in the folder.</summary>
    public string this[string name] => Path.Combine(_path, name);

    /// <summary>Two layers and running statistics, of values that depend on the seed.</summary>
    public static Sequential Network(long seed, int outputs = 2)
    {
        manual_seed(seed);
        Sequential made = nn.Sequential(("first", nn.Linear(3, 4)), ("norm", nn.BatchNorm1d(4)), ("second", nn.Linear(4, outputs)));
        using (no_grad())
            made.named_buffers().First(entry => entry.name == "norm.running_mean").buffer.normal_();
        return made;
    }

    /// <summary>The bytes of all values of a module in hexadecimal digits, by name.</summary>
    public static Dictionary<string, string> Values(nn.Module module) => new ModulePart(module).Capture().ToDictionary(entry => entry.Key, entry => Convert.ToHexString(((State.StateTensor)entry.Value).Bytes()), StringComparer.Ordinal);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
