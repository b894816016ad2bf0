using Cairn.State;
using Cairn.Stores;

namespace Cairn.Layouts.PyTorch;

/// <summary>A step of XTuner 1. What a folder or file of it holds is opened when a part of it is asked for, so that a damaged one does not hide the others.</summary>
internal sealed class LoadedXTuner : LoadedByPart
{
    private const string Context = "context", SchedulerPart = "scheduler", SamplerPart = "sampler", OptimizerPart = "optimizer";

    private readonly XTunerFolder _folder;
    private readonly IFileSource _files;
    private readonly Dictionary<string, LoadedTorchState> _opened = new(StringComparer.Ordinal);
    private readonly List<string> _notes = [];

    private LoadedXTuner(IFileSource files, XTunerFolder folder) => (_files, _folder, StepInside) = (files, folder, folder.Step(files));

    /// <inheritdoc/>
    internal override long? StepInside { get; }

    public override IReadOnlyList<string> Notes => [.. _notes, .. _opened.SelectMany(opened => opened.Value.Notes.Select(note => $"{opened.Key}: {note}"))];

    /// <summary>Opens a step.</summary>
    /// <exception cref="CorruptCheckpointException">It is not whole.</exception>
    public static LoadedXTuner Open(IFileSource files, XTunerFolder folder)
    {
        var loaded = new LoadedXTuner(files, folder);
        try
        {
            loaded.Fill();
            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    private void Fill()
    {
        StateMap others = [];
        if (_folder.Folders.Contains(XTunerFolder.Weights, StringComparer.Ordinal))
        {
            LoadedTorchState weights = Distributed(XTunerFolder.Weights);
            string[] within = [.. weights.FilesOf(weights.Parts[0]).Select(name => $"{XTunerFolder.Weights}/{name}")];
            foreach (string part in weights.Parts)
            {
                if (part == Context)
                    others = weights.Load(part);
                else
                    Add(part, within, () => weights.Load(part));
            }
        }
        else if (_folder.Folders.Contains(XTunerFolder.Model, StringComparer.Ordinal))
        {
            AddWhole(PartSplit.Model, XTunerFolder.Model);
            if (_folder.Folders.Contains(XTunerFolder.Optimizer, StringComparer.Ordinal))
                AddWhole(OptimizerPart, XTunerFolder.Optimizer);
        }
        else
        {
            throw new CorruptCheckpointException($"{Shown} has no weights: {_folder.FaultIn(_files)}. Take another checkpoint.") { Path = Shown };
        }
        AddFile(SchedulerPart, XTunerFolder.Scheduler);
        AddFile(SamplerPart, Has(XTunerFolder.Sampler) ? XTunerFolder.Sampler : XTunerFolder.RolloutSampler);
        if (others.Count > 0 || Has(XTunerFolder.TrainState))
            Add(Context, Has(XTunerFolder.TrainState) ? [XTunerFolder.TrainState] : [XTunerFolder.Weights], () => Counters(others));
        string[] unread = [.. _folder.Files.Where(name => !Parts.Any(part => FilesOf(part).Contains(name, StringComparer.Ordinal))).Order(StringComparer.Ordinal)];
        if (unread.Length > 0)
            _notes.Add($"not read, for they hold the program's own settings: {string.Join(", ", unread)}");
    }

    private string Shown => _folder.Path.Length == 0 ? _files.Root : _folder.Path;

    private bool Has(string name) => _folder.Files.Contains(name, StringComparer.Ordinal);

    // Of the older form each folder is one part, whatever its names begin with.
    private void AddWhole(string part, string folder) => Add(part, [.. _files.List(_folder.Within(folder)).Where(entry => !entry.IsFolder).Select(entry => $"{folder}/{entry.Name}").Order(StringComparer.Ordinal)], () => Distributed(folder).Root as StateMap ?? []);

    private void AddFile(string part, string name)
    {
        if (Has(name))
            Add(part, [name], () => File(name).Root as StateMap ?? new StateMap { ["data"] = File(name).Root });
    }

    private StateMap Counters(StateMap others)
    {
        StateMap context = _folder.ReadTrainState(_files);
        foreach ((string key, StateNode node) in others)
        {
            if (!context.ContainsKey(key))
                context.Add(key, node);
        }
        return context;
    }

    private LoadedTorchState Distributed(string folder) => Opened(folder, () => LoadedTorchState.OpenDistributed(_files, _folder.Within(folder)));

    private LoadedTorchState File(string name) => Opened(name, () => LoadedTorchState.OpenFile(_files, _folder.Within(name)));

    private LoadedTorchState Opened(string name, Func<LoadedTorchState> open) => _opened.TryGetValue(name, out LoadedTorchState? opened) ? opened : _opened[name] = Keep(open());
}
