using Cairn.State;

namespace Cairn.Bench;

/// <summary>How the bytes of a state are cut into tensors.</summary>
internal enum StateShape
{
    /// <summary>As in a transformer: most bytes are in few tensors.</summary>
    FewLarge,
    /// <summary>10,000 of one size.</summary>
    ManySmall,
}

/// <summary>A state of float32 in memory that the collector does not own, as libtorch's is.</summary>
internal sealed class LargeState : IDisposable
{
    private const int Many = 10_000;
    private static readonly long[] Sizes = [64 << 20, 16 << 20, 16 << 20, 4 << 20, 4 << 20, 1 << 20, 16 << 10, 4 << 10];

    private readonly List<NativeTensor> _tensors = [];
    private readonly RawMemory? _own;

    /// <param name="bytes">Bytes of all tensors.</param>
    /// <param name="seed">Draws the values.</param>
    public LargeState(long bytes, int seed = 1) : this(new RawMemory(bytes, seed), bytes, StateShape.FewLarge) => _own = Memory;

    /// <summary>A state in memory that others use as well, and that is not freed with it.</summary>
    public LargeState(RawMemory memory, long bytes, StateShape shape)
    {
        Memory = memory;
        for (int i = 0; Bytes < bytes; i++)
        {
            long size = shape == StateShape.FewLarge ? Math.Min(Sizes[i % Sizes.Length], bytes / 8)
                : i < Many - 1 ? bytes / Many : bytes;
            size = Math.Min(Math.Max(size / sizeof(float), 1) * sizeof(float), bytes - Bytes);
            _tensors.Add(new NativeTensor(memory, Bytes, size / sizeof(float)));
            Bytes += size;
        }
        for (int i = 0; i < _tensors.Count; i++)
            Model.Add($"layers.{i}.weight", _tensors[i]);
    }

    public long Bytes { get; }
    public RawMemory Memory { get; }
    public StateMap Model { get; } = [];
    public IReadOnlyList<NativeTensor> Tensors => _tensors;

    public void Dispose() => _own?.Dispose();
}

/// <summary>A tensor in native memory.</summary>
internal sealed class NativeTensor(RawMemory memory, long start, long elements) : StateTensor(TensorType.F32, [elements])
{
    public Span<byte> Span(long offset, int length) => memory.Span(start + offset, length);

    public override void CopyTo(long offset, Span<byte> destination) => Span(offset, destination.Length).CopyTo(destination);

    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = Span(offset, length);
        return true;
    }
}
