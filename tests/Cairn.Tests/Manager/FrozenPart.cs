using Cairn.State;

namespace Cairn.Tests.Manager;

/// <summary>A model of which training changes the head alone: its base is <paramref name="count"/> tensors of 1 MiB.</summary>
internal sealed class FrozenPart(string name = "model", int count = 1) : IStatePart
{
    public const int BaseBytes = 1 << 20;

    private readonly byte[][] _base = [.. Enumerable.Range(0, count).Select(n => Enumerable.Range(0, BaseBytes).Select(i => (byte)(i * 31 + n)).ToArray())];

    public string Name => name;

    /// <summary>What training changes.</summary>
    public float Head { get; set; } = 1;

    /// <summary>What it does not.</summary>
    public IReadOnlyList<byte[]> Base => _base;

    /// <summary>Whether the base takes no gradient.</summary>
    public bool IsFrozen { get; set; } = true;

    /// <summary>Called before it is restored.</summary>
    public Action Restoring { get; init; } = static () => { };

    public StateMap Capture()
    {
        StateMap state = [];
        for (int i = 0; i < _base.Length; i++)
            state.Add($"base.{i}", new MemoryTensor(TensorType.U8, [BaseBytes], _base[i]) { IsFrozen = IsFrozen });
        state.Add("head", new MemoryTensor(TensorType.F32, [1], BitConverter.GetBytes(Head)));
        return state;
    }

    public void Check(StateMap saved, RestoreProblems problems)
    {
        for (int i = 0; i < _base.Length; i++)
        {
            if (!saved.ContainsKey($"base.{i}"))
                problems.AddMissing($"base.{i}");
        }
    }

    public void Restore(StateMap saved)
    {
        Restoring();
        for (int i = 0; i < _base.Length; i++)
            ((StateTensor)saved[$"base.{i}"]).CopyTo(0, _base[i]);
        Span<byte> bytes = stackalloc byte[4];
        ((StateTensor)saved["head"]).CopyTo(0, bytes);
        Head = BitConverter.ToSingle(bytes);
    }
}
