using Cairn.State;

namespace Cairn.S3.Program;

/// <summary>A model of many numbers, each of which is the count of its steps.</summary>
public sealed class Counting(int length) : IStatePart
{
    private readonly byte[] _bytes = new byte[length * sizeof(float)];

    public string Name => "model";

    /// <summary>What all of them are.</summary>
    public float Value
    {
        get => BitConverter.ToSingle(_bytes);
        set
        {
            for (int at = 0; at < _bytes.Length; at += sizeof(float))
                BitConverter.TryWriteBytes(_bytes.AsSpan(at), value);
        }
    }

    /// <summary>Whether they are the same.</summary>
    public bool IsWhole
    {
        get
        {
            byte[] first = BitConverter.GetBytes(Value);
            return Enumerable.Range(0, _bytes.Length / sizeof(float)).All(at => _bytes.AsSpan(at * sizeof(float), sizeof(float)).SequenceEqual(first));
        }
    }

    public StateMap Capture() => new() { { "w", new MemoryTensor(TensorType.F32, [length], _bytes) } };

    public void Check(StateMap saved, RestoreProblems problems)
    {
        if (!saved.ContainsKey("w"))
            problems.AddMissing("w");
    }

    public void Restore(StateMap saved) => ((StateTensor)saved["w"]).CopyTo(0, _bytes);
}
