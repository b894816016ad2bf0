using System.Runtime.CompilerServices;
using Cairn.Formats.Torch.Pickle;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// The tensors of a file: makes each view once, so that equal views are one instance, and checks that they lie within their storages.
/// </summary>
/// <param name="fileLength">Bytes of the file.</param>
internal sealed class TensorTable(long fileLength)
{
    // A view may show an element many times. All of them may stand for a multiple of the file, or a little; what is beyond is not read.
    private const long MaxTotalPerByte = 16;
    private const long FreeTotal = 64 << 20;
    // In elements of at most 16 bytes, and still to be added to an offset in the file.
    private const long LargestEmptyOffset = long.MaxValue / 32;
    // What a view takes in memory, beside its shape.
    private const long ViewBytes = 192;

    private readonly Dictionary<ViewKey, StateTensor> _views = [];
    private readonly Dictionary<TorchScalar, TorchValue> _nested = new(ReferenceEqualityComparer.Instance);
    private long _total;

    /// <summary>A tensor of a storage. Offset and strides count elements of its type, as PyTorch counts them.</summary>
    public TorchTensorValue View(PickleContext context, StorageReference storage, TensorType type, long offset, long[] shape, long[] strides, bool requiresGrad = false)
    {
        context.Charge(ViewBytes);
        long elementSize = type.BitsPerElement() / 8;
        long available = storage.Count * ((storage.Type ?? TensorType.U8).BitsPerElement() / 8);
        long count = Check(context, offset, shape, strides, available / elementSize);
        long start = storage.ByteOffset + (offset * elementSize);
        var key = new ViewKey(storage.Source, start, type, shape, strides);
        if (!_views.TryGetValue(key, out StateTensor? data))
        {
            data = IsInProportion(count * elementSize) ? Make(storage.Source, start, type, shape, strides) : new RepeatedTensor(context.Path, type, shape);
            _views.Add(key, data);
        }
        return new TorchTensorValue(data, storage.Storage, start / elementSize, strides, isParameter: false, requiresGrad);
    }

    /// <summary>The storage of a file of PyTorch that is a value of a pickle; the same bytes give the same one.</summary>
    public TorchValue Nested(TorchScalar bytes, PickleContext context)
    {
        if (!_nested.TryGetValue(bytes, out TorchValue? root))
            _nested.Add(bytes, root = TorchFile.ReadNested((byte[])bytes.Value!, context));
        return root;
    }

    /// <summary>The elements of a shape; <see langword="null"/> when a size is negative or 63 bits do not hold them.</summary>
    public static long? CountOf(ReadOnlySpan<long> shape)
    {
        // A size of 0 does not excuse the others: strides are made of them.
        Int128 nonZero = 1;
        bool isEmpty = false;
        foreach (long size in shape)
        {
            if (size < 0 || (nonZero *= Math.Max(1, size)) > long.MaxValue / 16)
                return null;
            isEmpty |= size == 0;
        }
        return isEmpty ? 0 : (long)nonZero;
    }

    private static long Check(PickleContext context, long offset, long[] shape, long[] strides, long available)
    {
        if (shape.Length != strides.Length || shape.Length > StateTensor.MaxRank)
            throw context.Bad(TorchFault.TensorBounds, "the size and stride of a tensor do not fit each other", $"as many strides as sizes, at most {StateTensor.MaxRank}", $"{shape.Length} sizes and {strides.Length} strides");
        long count = CountOf(shape) ?? throw context.Bad(TorchFault.TensorBounds, "the size of a tensor is malformed", "sizes from 0 whose product fits 63 bits", "others");
        Int128 last = offset;
        for (int i = 0; i < shape.Length; i++)
        {
            if (strides[i] < 0)
                throw context.Bad(TorchFault.TensorBounds, "a stride of a tensor is negative", "0 or more", $"{strides[i]}");
            last += (Int128)Math.Max(0, shape[i] - 1) * strides[i];
        }
        // PyTorch cuts empty tensors at any offset; nobody reads there.
        if (offset < 0 || (count > 0 ? last >= available : offset > LargestEmptyOffset))
            throw context.Bad(TorchFault.TensorBounds, "a tensor reaches outside its storage", available > 0 ? $"elements 0 to {available - 1}" : "no elements", offset < 0 ? $"{offset}" : $"{last}");
        return count;
    }

    // Every view counts, once.
    private bool IsInProportion(long length)
    {
        if (length > FreeTotal + (MaxTotalPerByte * fileLength) - _total)
            return false;
        _total += length;
        return true;
    }

    private static StateTensor Make(StateTensor source, long start, TensorType type, long[] shape, long[] strides)
    {
        if (shape.Length == 1 && start == 0 && type == source.Type && shape[0] == source.Shape[0] && source.Shape.Count == 1 && strides[0] == 1)
            return source;
        return IsDense(shape, strides) ? new StorageView(source, start, type, shape) : new StridedTensor(source, start, type, shape, strides);
    }

    /// <summary>Whether the elements lie one after the other, row by row. The stride of a dimension of one element says nothing.</summary>
    private static bool IsDense(ReadOnlySpan<long> shape, ReadOnlySpan<long> strides)
    {
        if (shape.Contains(0))
            return true;
        long expected = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            if (shape[i] == 1)
                continue;
            if (strides[i] != expected)
                return false;
            expected *= shape[i];
        }
        return true;
    }

    /// <summary>What makes views equal.</summary>
    private readonly struct ViewKey(StateTensor source, long start, TensorType type, long[] shape, long[] strides) : IEquatable<ViewKey>
    {
        private readonly StateTensor _source = source;
        private readonly long _start = start;
        private readonly TensorType _type = type;
        private readonly long[] _shape = shape, _strides = strides;

        public bool Equals(ViewKey other) => ReferenceEquals(_source, other._source) && _start == other._start && _type == other._type
            && _shape.AsSpan().SequenceEqual(other._shape) && _strides.AsSpan().SequenceEqual(other._strides);

        public override bool Equals(object? obj) => obj is ViewKey other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.Add(RuntimeHelpers.GetHashCode(_source));
            hash.Add((int)_start);
            hash.Add((int)(_start >> 32));
            hash.Add((int)_type);
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(_shape.AsSpan()));
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(_strides.AsSpan()));
            return hash.ToHashCode();
        }
    }
}
