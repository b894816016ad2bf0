using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Bench;

/// <summary>A state of the shape that training has: tensors of many sizes, in memory that the collector does not own.</summary>
internal sealed class LargeState : IDisposable
{
    private readonly List<NativeTensor> _tensors = [];

    public LargeState(long bytes, int seed = 1)
    {
        var random = new Random(seed);
        // Embeddings, matrices, norms: as in a transformer, most bytes are in few tensors.
        long[] sizes = [64 << 20, 16 << 20, 16 << 20, 4 << 20, 4 << 20, 1 << 20, 16 << 10, 4 << 10];
        for (int i = 0; Bytes < bytes; i++)
        {
            long size = Math.Min(sizes[i % sizes.Length], bytes - Bytes);
            var tensor = new NativeTensor(size / 4);
            random.NextBytes(tensor.Span(0, (int)tensor.ByteLength));
            foreach (ref uint value in MemoryMarshal.Cast<byte, uint>(tensor.Span(0, (int)tensor.ByteLength)))
                value &= 0xBFFF_FFFF; // finite
            _tensors.Add(tensor);
            Bytes += tensor.ByteLength;
        }
        Model = [];
        for (int i = 0; i < _tensors.Count; i++)
            Model.Add($"layers.{i}.weight", _tensors[i]);
    }

    public long Bytes { get; }
    public StateMap Model { get; }
    public IReadOnlyList<NativeTensor> Tensors => _tensors;

    public void Dispose() => _tensors.ForEach(tensor => tensor.Dispose());
}

/// <summary>A tensor in native memory, as libtorch's are.</summary>
internal sealed unsafe class NativeTensor(long elements) : StateTensor(TensorType.F32, [elements]), IDisposable
{
    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc((nuint)(elements * 4), 64);

    public Span<byte> Span(long offset, int length) => new(_memory + offset, length);

    public override void CopyTo(long offset, Span<byte> destination) => Span(offset, destination.Length).CopyTo(destination);

    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        bytes = Span(offset, length);
        return true;
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);
}
