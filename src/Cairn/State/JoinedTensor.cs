using System.Buffers;

namespace Cairn.State;

/// <summary>
/// A tensor, or a shard of one, whose elements lie in the shards of other ranks. Nothing is copied until its bytes are asked for; then
/// only those shards are read that hold some of them, and of these only the bytes needed and the small gaps between them.
/// </summary>
internal sealed class JoinedTensor : StateTensor
{
    /// <summary>Runs that lie no farther apart than this are read with what is between them, in bytes: one large read is faster than many small ones.</summary>
    public const int LargestGap = 64 << 10;
    private const int Window = 4 << 20;
    private const int DirectRead = 256 << 10;

    private readonly IReadOnlyList<(ShardExtent Extent, StateTensor Shard)> _shards;
    private readonly List<(TensorBox Box, long Start, StateTensor Source)> _pieces;
    private readonly List<(TensorBox Box, long Start)> _places;

    /// <summary>What an extent shows of a tensor that these shards make up.</summary>
    public JoinedTensor(TensorType type, ShardExtent extent, IReadOnlyList<(ShardExtent Extent, StateTensor Shard)> shards) : base(type, [.. extent.LocalShape])
    {
        _shards = shards;
        int size = SizeOf(type);
        _places = [.. Dense(extent, size)];
        _pieces = new(shards.Count);
        foreach ((ShardExtent held, StateTensor shard) in shards)
        {
            foreach ((TensorBox box, long start) in Dense(held, size))
            {
                if (_places.Exists(place => place.Box.Intersect(box) is not null))
                    _pieces.Add((box, start, shard));
            }
        }
    }

    public override int ShardCount => _shards.Count;

    public override void CopyTo(long offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, ByteLength - destination.Length);
        long end = offset + destination.Length;
        foreach ((TensorBox box, long start) in _places)
        {
            long from = Math.Max(offset, start), to = Math.Min(end, start + box.Count);
            if (to <= from)
                continue;
            foreach (TensorBox wanted in box.Range(from - start, to - from))
            {
                Copy(wanted, destination.Slice((int)(from - offset), (int)wanted.Count));
                from += wanted.Count;
            }
        }
    }

    /// <inheritdoc cref="StateTensor.Slice"/>
    public StateTensor SliceShards(ShardExtent extent)
    {
        foreach ((ShardExtent held, StateTensor shard) in _shards)
        {
            if (held.Equals(extent))
                return shard;
        }
        return new JoinedTensor(Type, extent, _shards);
    }

    internal static int SizeOf(TensorType type) =>
        type.BitsPerElement() % 8 == 0 ? type.BitsPerElement() / 8 : throw new ArgumentException($"Tensors of {type} cannot be cut: their elements do not fill whole bytes.", nameof(type));

    // In bytes: an element is a run of its own, so that any offset will do.
    private static IEnumerable<(TensorBox Box, long Start)> Dense(ShardExtent extent, int size)
    {
        long start = 0;
        foreach (TensorBox box in extent.Boxes())
        {
            var bytes = new TensorBox([.. box.Offset, 0], [.. box.Shape, size]);
            yield return (bytes, start);
            start += bytes.Count;
        }
    }

    private void Copy(TensorBox wanted, Span<byte> destination)
    {
        foreach ((TensorBox box, long start, StateTensor source) in _pieces)
        {
            if (wanted.Intersect(box) is { } common)
                Copy(new BoxRuns(common, box, wanted), source, start, destination);
        }
    }

    private static void Copy(BoxRuns runs, StateTensor source, long start, Span<byte> destination)
    {
        if (source.TryGetSpan(start, 0, out _) || runs.Count == 1 || runs.Length >= DirectRead)
        {
            while (runs.Next(out long from, out long to))
                Read(source, start + from, destination.Slice((int)to, (int)runs.Length));
            return;
        }
        CopyInWindows(runs, source, start, destination);
    }

    private static void CopyInWindows(BoxRuns runs, StateTensor source, long start, Span<byte> destination)
    {
        int length = (int)runs.Length;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Window + length);
        var pending = new List<(long From, int To)>();
        try
        {
            bool more = runs.Next(out long from, out long to);
            while (more)
            {
                long first = from, end = from;
                pending.Clear();
                while (more && from - end <= LargestGap && from + length - first <= buffer.Length)
                {
                    pending.Add((from, (int)to));
                    end = from + length;
                    more = runs.Next(out from, out to);
                }
                source.CopyTo(start + first, buffer.AsSpan(0, (int)(end - first)));
                foreach ((long at, int place) in pending)
                    buffer.AsSpan((int)(at - first), length).CopyTo(destination[place..]);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Read(StateTensor source, long offset, Span<byte> destination)
    {
        if (source.TryGetSpan(offset, destination.Length, out ReadOnlySpan<byte> bytes))
            bytes.CopyTo(destination);
        else
            source.CopyTo(offset, destination);
    }
}

/// <summary>The runs of a box that lie in one piece both in a dense box that holds it and in another one, in row-major order.</summary>
internal struct BoxRuns
{
    private readonly long[] _sizes, _fromStrides, _toStrides, _index;
    private long _from, _to, _left;

    public BoxRuns(TensorBox common, TensorBox from, TensorBox to)
    {
        int dimensions = common.Rank;
        ReadOnlySpan<long> shape = common.ShapeSpan;
        // Longer than is used, when the innermost dimensions are one run.
        _fromStrides = new long[dimensions];
        _toStrides = new long[dimensions];
        long fromBlock = 1, toBlock = 1;
        for (int i = dimensions - 1; i >= 0; i--)
        {
            (_fromStrides[i], _toStrides[i]) = (fromBlock, toBlock);
            _from += (common.OffsetSpan[i] - from.OffsetSpan[i]) * fromBlock;
            _to += (common.OffsetSpan[i] - to.OffsetSpan[i]) * toBlock;
            fromBlock *= from.ShapeSpan[i];
            toBlock *= to.ShapeSpan[i];
        }
        // Dimensions that are whole in both boxes belong to the run.
        int inner = dimensions - 1;
        Length = shape[inner];
        while (inner > 0 && shape[inner] == from.ShapeSpan[inner] && shape[inner] == to.ShapeSpan[inner])
            Length *= shape[--inner];
        _sizes = shape[..inner].ToArray();
        _index = new long[inner];
        Count = _left = TensorBox.Elements(_sizes);
    }

    /// <summary>Number of runs.</summary>
    public long Count { get; }
    /// <summary>Elements of each run.</summary>
    public long Length { get; }

    /// <summary>The next run's place in both boxes.</summary>
    public bool Next(out long from, out long to)
    {
        (from, to) = (_from, _to);
        if (_left == 0)
            return false;
        _left--;
        for (int i = _sizes.Length - 1; i >= 0; i--)
        {
            _from += _fromStrides[i];
            _to += _toStrides[i];
            if (++_index[i] < _sizes[i])
                break;
            _from -= _fromStrides[i] * _sizes[i];
            _to -= _toStrides[i] * _sizes[i];
            _index[i] = 0;
        }
        return true;
    }
}
