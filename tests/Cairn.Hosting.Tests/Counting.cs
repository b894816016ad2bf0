using System.Collections.Concurrent;
using Cairn.State;

namespace Cairn.Hosting.Tests;

/// <summary>What a test does to the training: everything here is called on its thread.</summary>
internal sealed class Script
{
    public Action<CheckpointManager> Batch { get; set; } = static _ => { };
    public Action Capture { get; set; } = static () => { };
    public ConcurrentQueue<string> Calls { get; } = [];
    public HashSet<int> Threads { get; } = [];

    public void Note(string call)
    {
        Calls.Enqueue(call);
        Threads.Add(Environment.CurrentManagedThreadId);
    }
}

/// <summary>A model of one number, which counts its steps.</summary>
internal sealed class Counting : ITraining, IStatePart, IDisposable
{
    private readonly Script _script;
    private readonly byte[] _count = new byte[sizeof(float)];

    public Counting(Script script, TrainState train)
    {
        _script = script;
        script.Note($"built at {train.Step}");
    }

    public string Name => "model";
    public IEnumerable<IStatePart> Parts => [this];

    public void TrainBatch(CheckpointManager checkpoints)
    {
        _script.Threads.Add(Environment.CurrentManagedThreadId);
        _script.Batch(checkpoints);
        BitConverter.TryWriteBytes(_count, BitConverter.ToSingle(_count) + 1);
        checkpoints.Train.CompleteStep();
    }

    public void Ended(CheckpointManager checkpoints, RunSummary summary) => _script.Note($"ended at {summary.Steps} with {summary.FinalCheckpoint}");

    public StateMap Capture()
    {
        _script.Capture();
        return new() { { "w", new MemoryTensor(TensorType.F32, [1], _count.ToArray()) } };
    }

    public void Check(StateMap saved, RestoreProblems problems)
    {
        if (!saved.ContainsKey("w"))
            problems.AddMissing("w");
    }

    public void Restore(StateMap saved) => ((StateTensor)saved["w"]).CopyTo(0, _count);

    public void Dispose() => _script.Note("disposed");
}
