using System.Diagnostics;
using Cairn.Bench;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.State;
using Cairn.TorchSharp;
using TorchSharp;

namespace Cairn.Peers;

/// <summary>Cairn: each save is a checkpoint of a run that keeps its last two.</summary>
internal sealed class CairnContender : IContender
{
    private readonly string _folder;
    private readonly StateModule _model;
    private readonly TrainState _train = new();
    private readonly CheckpointManager _checkpoints;
    private SaveReport? _report;

    private CairnContender(string folder, StateModule model, bool isAsynchronous)
    {
        (_folder, _model) = (folder, model);
        _checkpoints = CheckpointManager.StartAsync(OptionsOf(folder, isAsynchronous), _train, [new ModulePart(model)]).GetAwaiter().GetResult();
        _checkpoints.SaveEnded += (_, report) => _report = report;
    }

    public string Newest => Path.Combine(_folder, _report!.Folder!);

    public static CairnContender Synchronous(string folder, StateModule model) => new(folder, model, isAsynchronous: false);

    public static CairnContender Asynchronous(string folder, StateModule model) => new(folder, model, isAsynchronous: true);

    public static CheckpointOptions OptionsOf(string folder, bool isAsynchronous) => new()
    {
        Folder = folder,
        CheckpointEvery = 1,
        SnapshotEvery = 0,
        KeepLast = 2,
        Asynchronous = isAsynchronous,
        HandleSignals = false,
        FailOnError = true,
    };

    public Answer Do(string operation) => operation switch { "save" => Save(), "save-async" => SaveAsync(), _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, null) };

    public void Dispose() => _checkpoints.DisposeAsync().AsTask().GetAwaiter().GetResult();

    private Answer Save()
    {
        _train.CompleteStep();
        TimeSpan time = Measure.Time(() => _checkpoints.AfterBatch());
        return Saved() ? new(time.TotalMilliseconds) : throw new InvalidOperationException($"The step {_train.Step} was not saved: {_report}");
    }

    private Answer SaveAsync()
    {
        _train.CompleteStep();
        _model.Mark(_train.Step);
        long start = Stopwatch.GetTimestamp();
        _checkpoints.AfterBatch();
        TimeSpan stall = Stopwatch.GetElapsedTime(start);
        _model.Negate();
        using var never = new ManualResetEventSlim();
        while (_checkpoints.IsSaving)
            never.Wait(1);
        TimeSpan durable = Stopwatch.GetElapsedTime(start);
        _checkpoints.Poll();
        if (!Saved())
            throw new InvalidOperationException($"The step {_train.Step} was not saved: {_report}");
        _model.Negate();
        return new(durable.TotalMilliseconds, stall.TotalMilliseconds, HasValues(Newest, _model));
    }

    private bool Saved() => _report is { Outcome: SaveOutcome.Saved } report && report.Step == _train.Step;

    /// <summary>Whether a copy has the values that a module has now.</summary>
    private static bool HasValues(string copy, StateModule model)
    {
        using LoadedCheckpoint loaded = CheckpointReader.Open(copy);
        StateMap saved = loaded.Load("model");
        byte[] block = GC.AllocateUninitializedArray<byte>(RawDisk.Block);
        foreach ((string name, torch.Tensor live) in model.named_parameters().Select(entry => (entry.name, (torch.Tensor)entry.parameter)))
        {
            var tensor = (StateTensor)saved[name];
            ReadOnlySpan<byte> expected = live.bytes;
            for (int at = 0; at < expected.Length; at += block.Length)
            {
                Span<byte> found = block.AsSpan(0, Math.Min(block.Length, expected.Length - at));
                tensor.CopyTo(at, found);
                if (!found.SequenceEqual(expected.Slice(at, found.Length)))
                    return false;
            }
        }
        return true;
    }
}
