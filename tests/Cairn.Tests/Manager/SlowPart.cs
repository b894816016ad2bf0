using Cairn.State;

namespace Cairn.Tests.Manager;

/// <summary>Two tensors that change in the update, the second of which is copied when a gate opens, and one that changes in the forward pass.</summary>
internal sealed class SlowPart : IStatePart
{
    private readonly float[] _values = new float[2];

    public ManualResetEventSlim Gate { get; } = new(initialState: true);

    /// <summary>The copy has come to the gate.</summary>
    public ManualResetEventSlim Reached { get; } = new();

    public bool Fails { get; set; }

    public float Statistics { get; set; }

    public string Name => "model";

    public void Change(float value) => Array.Fill(_values, value);

    public StateMap Capture() => new()
    {
        { "first", new Live(() => _values[0]) { ChangesOnlyInUpdate = true } },
        { "second", new Live(Second) { ChangesOnlyInUpdate = true } },
        { "statistics", new Live(() => Statistics) },
    };

    public void Check(StateMap saved, RestoreProblems problems) { }

    public void Restore(StateMap saved) { }

    private float Second()
    {
        Reached.Set();
        Gate.Wait();
        return Fails ? throw new CheckpointException("The second one cannot be read.") : _values[1];
    }

    private sealed class Live(Func<float> value) : StateTensor(TensorType.F32, [1])
    {
        public override void CopyTo(long offset, Span<byte> destination) => BitConverter.GetBytes(value()).AsSpan((int)offset, destination.Length).CopyTo(destination);
    }
}
