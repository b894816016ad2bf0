using System.Globalization;
using Cairn.Formats.Torch;
using Cairn.Interop.Tests;

namespace Cairn.TorchSharp.Interop.Tests;

/// <summary>Trains all cases in both, once: PyTorch takes long to start.</summary>
public sealed class OptimizerExchange : IDisposable
{
    private readonly TemporaryFolder _fromUs = new(), _fromPyTorch = new();
    private readonly Lazy<Dictionary<string, double[]>> _goingOn, _starting;

    public OptimizerExchange()
    {
        _goingOn = new(() => Run("go-on", _fromUs, optimizer => optimizer.Before));
        _starting = new(() => Run("start", _fromPyTorch, _ => 0));
    }

    /// <summary>The losses of PyTorch after it took over what TorchSharp trained.</summary>
    public double[] PyTorchGoesOn(string name) => _goingOn.Value[name];

    /// <summary>The losses of PyTorch that trains on after it saved <see cref="SavedByPyTorch"/>.</summary>
    public double[] PyTorchAlone(string name) => _starting.Value[name];

    /// <summary>What PyTorch saved after it took over and trained on.</summary>
    public string SavedAfter(string name) => Path.Combine(_fromUs.Path, name + ".after.pt");

    /// <summary>What PyTorch saved of its own training.</summary>
    public string SavedByPyTorch(string name) => Path.Combine(_fromPyTorch.Path, name + ".before.pt");

    public void Dispose()
    {
        _fromUs.Dispose();
        _fromPyTorch.Dispose();
    }

    private static Dictionary<string, double[]> Run(string mode, TemporaryFolder folder, Func<OptimizerCase, int> trained)
    {
        Python.Require();
        foreach ((string name, OptimizerCase optimizer) in OptimizerCase.All)
        {
            using var model = new TrainedModel(optimizer, seed: 1);
            model.Train(0, trained(optimizer));
            using FileStream stream = File.Create(Path.Combine(folder.Path, name + ".pt"));
            TorchFileWriter.Plan(model.Exchange(), name).WriteTo((bytes, _, _) => stream.Write(bytes));
        }
        return Python.Run("train.py", [mode, folder.Path]).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(": "))
            .ToDictionary(parts => parts[0], parts => parts[1].Split(' ').Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray(), StringComparer.Ordinal);
    }
}
