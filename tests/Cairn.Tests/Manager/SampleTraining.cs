using Cairn.State;
using Cairn.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Tests.Manager;

/// <summary>A run small enough to follow by hand: its "weights" are a function of the steps made and the samples seen.</summary>
internal sealed class SampleTraining
{
    public TrainState Train { get; } = new();
    public WeightsPart Weights { get; } = new();

    public CheckpointManager Start(IFileSystem files, CheckpointOptions options) =>
        CheckpointManager.Start(files, options, Train, [Weights], NullLoggerFactory.Instance);

    /// <summary>One batch; <paramref name="overflow"/> makes it one that is skipped.</summary>
    public void Batch(bool overflow = false)
    {
        if (overflow)
        {
            Train.SkipBatch(TrainState.OverflowReason);
            return;
        }
        Weights.Value = Weights.Value * 0.75f + Train.Batch;
        Train.CompleteStep(samples: 4, loss: 1.0 / (Train.Step + 1));
    }

    /// <summary>Batches until so many steps are made.</summary>
    public void TrainTo(CheckpointManager checkpoints, long until)
    {
        while (Train.Step < until)
        {
            Batch();
            checkpoints.AfterBatch();
        }
    }
}

internal sealed class WeightsPart : IStatePart
{
    public float Value { get; set; } = 1;
    public string Name => "model";

    public StateMap Capture() => new() { { "w", new MemoryTensor(TensorType.F32, [1], BitConverter.GetBytes(Value)) } };

    public void Check(StateMap saved, RestoreProblems problems)
    {
        if (!saved.TryGetValue("w", out StateNode? node))
            problems.AddMissing("w");
        else if (node is not StateTensor { Type: TensorType.F32, ByteLength: 4 })
            problems.AddMismatched("w", "F32[1]", node.ToString()!);
    }

    public void Restore(StateMap saved)
    {
        Span<byte> bytes = stackalloc byte[4];
        ((StateTensor)saved["w"]).CopyTo(0, bytes);
        Value = BitConverter.ToSingle(bytes);
    }
}
