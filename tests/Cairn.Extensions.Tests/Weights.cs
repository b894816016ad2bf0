using Cairn.State;

namespace Cairn.Extensions.Tests;

/// <summary>A model of one number, which counts its steps.</summary>
internal sealed class Weights : IStatePart
{
    public float Value { get; set; }
    /// <summary>Trains until a step, and ends the run.</summary>
    public RunSummary Train(CheckpointManager checkpoints, long until)
    {
        while (checkpoints.Train.Step < until)
        {
            Value++;
            checkpoints.Train.CompleteStep();
            checkpoints.AfterBatch();
        }
        return checkpoints.Complete();
    }

    public string Name => "model";
    public StateMap Capture() => new() { { "w", new MemoryTensor(TensorType.F32, [1], BitConverter.GetBytes(Value)) } };

    public void Check(StateMap saved, RestoreProblems problems)
    {
        if (!saved.ContainsKey("w"))
            problems.AddMissing("w");
    }

    public void Restore(StateMap saved)
    {
        byte[] bytes = new byte[4];
        ((StateTensor)saved["w"]).CopyTo(0, bytes);
        Value = BitConverter.ToSingle(bytes);
    }
}
