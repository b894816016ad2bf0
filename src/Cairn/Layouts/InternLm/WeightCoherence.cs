using System.Buffers;
using System.Runtime.InteropServices;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// Compares the weights of the model with those that the optimizer trains, rounded to the model's type: after every update InternLM makes the former from the latter,
/// so that they differ only where files of two saves stand together.
/// </summary>
internal static class WeightCoherence
{
    private const int BlockElements = 1 << 16, SampleElements = 2048, SamplesOfRank = 8;

    /// <summary>The name of the first parameter that differs; <see langword="null"/> when none does.</summary>
    /// <param name="model">A rank's weights.</param>
    /// <param name="master">The weights that its optimizer trains; where it has none of a name, nothing is compared.</param>
    /// <param name="isSample">Whether to compare only some short ranges, spread over the parameters.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static string? Difference(RankTensors model, RankTensors master, bool isSample, CancellationToken cancellationToken)
    {
        (string Name, StateTensor Model, StateTensor Master)[] pairs =
        [
            .. model.Tensors.Where(tensor => master.Tensors.TryGetValue(tensor.Key, out StateTensor? other) && FloatCast.CanCast(tensor.Value.Type) && FloatCast.CanCast(other.Type))
                .Select(tensor => (tensor.Key, tensor.Value, master.Tensors[tensor.Key])),
        ];
        int step = isSample ? Math.Max(1, pairs.Length / SamplesOfRank) : 1;
        for (int i = 0; i < pairs.Length; i += step)
        {
            cancellationToken.ThrowIfCancellationRequested();
            (string name, StateTensor weights, StateTensor trained) = pairs[i];
            long elements = FlattenedTensor.Elements(weights), length = isSample ? Math.Min(SampleElements, elements) : elements;
            // Each sample stands at another place of its parameter, so that every part of the files gets some.
            long start = isSample ? (elements - length) * (i / step) / SamplesOfRank : 0;
            if (elements != FlattenedTensor.Elements(trained) || !Same(weights, trained, Math.Min(start, elements - length), length, cancellationToken))
                return name;
        }
        return null;
    }

    private static bool Same(StateTensor weights, StateTensor trained, long start, long length, CancellationToken cancellationToken)
    {
        int of = Size(weights.Type), from = Size(trained.Type), block = (int)Math.Min(BlockElements, Math.Max(1, length));
        byte[] expected = ArrayPool<byte>.Shared.Rent(block * of), found = ArrayPool<byte>.Shared.Rent(block * of), source = ArrayPool<byte>.Shared.Rent(block * from);
        try
        {
            for (long offset = start; offset < start + length; offset += block)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int count = (int)Math.Min(block, start + length - offset);
                weights.CopyTo(offset * of, found.AsSpan(0, count * of));
                trained.CopyTo(offset * from, source.AsSpan(0, count * from));
                Span<byte> rounded = weights.Type == trained.Type ? source.AsSpan(0, count * of) : expected.AsSpan(0, count * of);
                if (weights.Type != trained.Type)
                    FloatCast.Convert(trained.Type, source.AsSpan(0, count * from), weights.Type, rounded, trained.Type == TensorType.F32 ? default : new float[count]);
                if (!rounded.SequenceEqual(found.AsSpan(0, count * of)) && !SameButNaN(weights.Type, rounded, found.AsSpan(0, count * of)))
                    return false;
            }
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(expected);
            ArrayPool<byte>.Shared.Return(found);
            ArrayPool<byte>.Shared.Return(source);
        }
    }

    // One NaN is as good as another: rounding need not keep its bits.
    private static bool SameButNaN(TensorType type, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        for (int i = 0; i < first.Length; i += Size(type))
        {
            ReadOnlySpan<byte> one = first.Slice(i, Size(type)), other = second.Slice(i, Size(type));
            if (!one.SequenceEqual(other) && !(IsNaN(type, one) && IsNaN(type, other)))
                return false;
        }
        return true;
    }

    private static bool IsNaN(TensorType type, ReadOnlySpan<byte> bytes) => type switch
    {
        TensorType.F16 => Half.IsNaN(MemoryMarshal.Read<Half>(bytes)),
        TensorType.BF16 => (MemoryMarshal.Read<ushort>(bytes) & 0x7FFF) > 0x7F80,
        TensorType.F32 => float.IsNaN(MemoryMarshal.Read<float>(bytes)),
        _ => double.IsNaN(MemoryMarshal.Read<double>(bytes)),
    };

    private static int Size(TensorType type) => type switch { TensorType.F64 => 8, TensorType.F32 => 4, _ => 2 };
}
