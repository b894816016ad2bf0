using Cairn.State;

namespace Cairn.Telemetry.Tests;

/// <summary>A part of four numbers.</summary>
internal sealed class Model : IStatePart
{
    private byte[] _weights = new byte[16];

    public string Name => "model";

    public StateMap Capture() => new() { { "w", new MemoryTensor(TensorType.F32, [4], _weights) } };

    public void Check(StateMap saved, RestoreProblems problems)
    {
        if (!saved.TryGetValue("w", out StateNode? node) || node is not StateTensor { ByteLength: 16 })
            problems.AddMissing("w");
    }

    public void Restore(StateMap saved)
    {
        _weights = new byte[16];
        ((StateTensor)saved["w"]).CopyTo(0, _weights);
    }
}
