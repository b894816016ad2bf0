using System.Buffers;

namespace Cairn.State;

/// <summary>A part of a tensor: the box at <paramref name="Offset"/> (one coordinate for each dimension) that has the shape of <paramref name="Data"/>.</summary>
/// <param name="Offset">Where the box begins in the whole tensor.</param>
/// <param name="Data">Its elements.</param>
public readonly record struct TensorShard(IReadOnlyList<long> Offset, StateTensor Data);

/// <summary>
/// A whole tensor made of shards that lie elsewhere, mostly in the files of several ranks. Every element has exactly one owner, or it is
/// not made. It reads from the shards only the bytes that it is asked for.
/// </summary>
public sealed class AssembledTensor : StateTensor
{
    private const int Piece = 1 << 20;

    private readonly Box[] _boxes;

    private AssembledTensor(TensorType type, long[] shape, Box[] boxes) : base(type, shape) => _boxes = boxes;

    /// <summary>Assembles a tensor; a single shard that is the whole comes back itself.</summary>
    /// <exception cref="ArgumentException">A shard has another type or lies outside, two overlap, or they leave a hole.</exception>
    public static StateTensor Of(TensorType type, ReadOnlySpan<long> shape, IReadOnlyList<TensorShard> shards)
    {
        string whole = $"{type}[{string.Join(", ", shape.ToArray())}]";
        foreach (TensorShard shard in shards)
        {
            if (shard.Data.Type != type || shard.Data.Shape.Count != shape.Length || shard.Offset.Count != shape.Length || !IsWithin(shard, shape))
                throw new ArgumentException($"The shard {shard.Data} at [{string.Join(", ", shard.Offset)}] is no part of {whole}.", nameof(shards));
        }
        if (ShardCover.Problem(shape, [.. shards.Select(shard => new ShardBox(shard.Offset, shard.Data.Shape))]) is { } problem)
            throw new ArgumentException($"The {shards.Count} shards of {whole} do not make it: {problem}.", nameof(shards));
        if (shards.Count == 1)
            return shards[0].Data;
        if (type.BitsPerElement() % 8 != 0)
            throw new ArgumentException($"{whole} cannot be assembled: its elements are no whole bytes.", nameof(type));
        long[] sizes = shape.ToArray();
        Box[] boxes = [.. shards.Where(shard => shard.Data.ByteLength > 0).Select(shard => new Box(shard, sizes, type.BitsPerElement() / 8)).OrderBy(box => box.First)];
        return new AssembledTensor(type, sizes, boxes);
    }

    /// <summary>Tensors joined along one dimension.</summary>
    /// <exception cref="ArgumentException">Their types or other sizes differ, or there are none.</exception>
    public static StateTensor Concat(IReadOnlyList<StateTensor> tensors, int dimension)
    {
        if (tensors.Count == 0 || dimension < 0 || dimension >= tensors[0].Shape.Count)
            throw new ArgumentException($"{tensors.Count} tensors cannot be joined along dimension {dimension}.", nameof(tensors));
        long[] shape = [.. tensors[0].Shape];
        shape[dimension] = 0;
        var shards = new List<TensorShard>(tensors.Count);
        foreach (StateTensor tensor in tensors)
        {
            for (int i = 0; i < shape.Length; i++)
            {
                if (tensor.Shape.Count != shape.Length || (i != dimension && tensor.Shape[i] != shape[i]))
                    throw new ArgumentException($"{tensor} and {tensors[0]} cannot be joined along dimension {dimension}: their other sizes differ.", nameof(tensors));
            }
            long[] offset = new long[shape.Length];
            offset[dimension] = shape[dimension];
            shards.Add(new TensorShard(offset, tensor));
            shape[dimension] += tensor.Shape[dimension];
        }
        return Of(tensors[0].Type, shape, shards);
    }

    /// <inheritdoc/>
    public override void CopyTo(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset > ByteLength - destination.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{destination.Length} bytes at {offset} do not lie within the {ByteLength} bytes of {this}.");
        foreach (Box box in _boxes)
        {
            if (box.First >= offset + destination.Length)
                break;
            box.CopyTo(offset, destination);
        }
    }

    /// <inheritdoc/>
    public override bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
    {
        foreach (Box box in _boxes)
        {
            if (box.TryGetSpan(offset, length, out bytes))
                return true;
        }
        bytes = default;
        return false;
    }

    private static bool IsWithin(TensorShard shard, ReadOnlySpan<long> shape)
    {
        for (int i = 0; i < shape.Length; i++)
        {
            if (shard.Offset[i] < 0 || shard.Offset[i] > shape[i] - shard.Data.Shape[i])
                return false;
        }
        return true;
    }

    /// <summary>A shard as runs of bytes: each is dense in the shard and in the whole, and they come in the same order in both.</summary>
    private sealed class Box
    {
        private readonly StateTensor _data;
        private readonly long[] _counts, _strides; // outer dimensions: how many, and bytes of the whole from one to the next
        private readonly long _run, _runs;

        public Box(TensorShard shard, long[] shape, int element)
        {
            _data = shard.Data;
            long[] strides = StridedTensor.RowMajor(shape);
            // Dimensions that the shard fills wholly belong to the run, and one more that it fills in part.
            int outer = shape.Length;
            long run = element;
            while (outer > 0 && _data.Shape[outer - 1] == shape[outer - 1])
                run *= shape[--outer];
            if (outer > 0)
                run *= _data.Shape[--outer];
            _run = run;
            _runs = _data.ByteLength / run;
            _counts = [.. _data.Shape.Take(outer)];
            _strides = [.. strides[..outer].Select(stride => stride * element)];
            for (int i = 0; i < shape.Length; i++)
                First += shard.Offset[i] * strides[i] * element;
        }

        /// <summary>Byte of the whole at which the shard begins.</summary>
        public long First { get; }

        public void CopyTo(long offset, Span<byte> destination)
        {
            long end = offset + destination.Length;
            for (long run = FirstRunAfter(offset); run < _runs && StartOf(run) < end;)
            {
                long start = StartOf(run), from = Math.Max(start, offset), to = Math.Min(start + _run, end);
                // A run that is cut, or a long one, goes straight to its place.
                if (to - from < _run || _run >= Piece / 16)
                {
                    _data.CopyTo(run * _run + (from - start), destination.Slice((int)(from - offset), (int)(to - from)));
                    run++;
                }
                else
                    run += Scatter(run, offset, destination);
            }
        }

        public bool TryGetSpan(long offset, int length, out ReadOnlySpan<byte> bytes)
        {
            long run = FirstRunAfter(offset);
            bytes = default;
            if (run >= _runs)
                return false;
            long start = StartOf(run);
            return offset >= start && offset + length <= start + _run && _data.TryGetSpan(run * _run + (offset - start), length, out bytes);
        }

        // Runs follow each other in the shard, so many short ones are one read.
        private int Scatter(long first, long offset, Span<byte> destination)
        {
            int count = (int)Math.Min(_runs - first, Piece / _run);
            while (count > 1 && StartOf(first + count - 1) + _run > offset + destination.Length)
                count--;
            int length = (int)(count * _run);
            byte[]? rented = null;
            if (!_data.TryGetSpan(first * _run, length, out ReadOnlySpan<byte> bytes))
            {
                rented = ArrayPool<byte>.Shared.Rent(length);
                _data.CopyTo(first * _run, rented.AsSpan(0, length));
                bytes = rented.AsSpan(0, length);
            }
            for (int i = 0; i < count; i++)
                bytes.Slice((int)(i * _run), (int)_run).CopyTo(destination[(int)(StartOf(first + i) - offset)..]);
            if (rented is not null)
                ArrayPool<byte>.Shared.Return(rented);
            return count;
        }

        // The first run that ends after this byte of the whole.
        private long FirstRunAfter(long offset)
        {
            long low = 0, high = _runs;
            while (low < high)
            {
                long middle = low + (high - low) / 2;
                if (StartOf(middle) + _run > offset)
                    high = middle;
                else
                    low = middle + 1;
            }
            return low;
        }

        private long StartOf(long run)
        {
            long start = First;
            for (int i = _counts.Length - 1; i >= 0; i--)
            {
                (run, long index) = Math.DivRem(run, _counts[i]);
                start += index * _strides[i];
            }
            return start;
        }
    }
}
