using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>A storage that will be a record of the file.</summary>
internal sealed class StorageRecord(int index, TorchStorage storage, string name, TensorType type)
{
    /// <summary>Its record is <c>data/KEY</c>.</summary>
    public string Key { get; } = index.ToString(CultureInfo.InvariantCulture);
    /// <summary>Its bytes and location.</summary>
    public TorchStorage Storage { get; } = storage;
    /// <summary>Path of the first tensor that looks into it.</summary>
    public string Name { get; } = name;
    /// <summary>Element type of the tensors that look into it, or bytes.</summary>
    public TensorType Type { get; private set; } = type;
    /// <summary>
    /// Whether it is written as bytes without a type, as PyTorch ≥ 2.1 does for newer dtypes. Also when tensors of several types look into it, which
    /// typed storages cannot say.
    /// </summary>
    public bool IsUntyped { get; private set; } = TorchDtypes.StorageOf(type) is null || storage.Bytes.ByteLength * 8 % type.BitsPerElement() != 0;
    /// <summary>Elements as PyTorch counts them; bytes for an untyped one.</summary>
    public long Count => IsUntyped ? Storage.Bytes.ByteLength : Storage.Bytes.ByteLength * 8 / Type.BitsPerElement();

    public void SeenAs(TensorType type) => IsUntyped |= type != Type;
}

/// <summary>The storages of a tree of values in the order in which its tensors are met, each once however many tensors share it.</summary>
internal sealed class TorchStorageTable
{
    private readonly Dictionary<StateTensor, StorageRecord> _byBytes = new(ReferenceEqualityComparer.Instance);
    private readonly List<StorageRecord> _records = [];
    // Whether each value that was met is on the way from the root to where the walk stands.
    private readonly Dictionary<TorchValue, bool> _seen = new(ReferenceEqualityComparer.Instance);
    private readonly TorchPath _path = new();

    private TorchStorageTable() { }

    /// <summary>The storages.</summary>
    public IReadOnlyList<StorageRecord> Records => _records;

    /// <summary>The record of a storage. Storages of the same bytes are one, so that a tie is one however it was made.</summary>
    public StorageRecord this[TorchStorage storage] => _byBytes[storage.Bytes];

    /// <summary>Collects the storages, and checks that each view lies in its storage.</summary>
    /// <exception cref="ArgumentException">A view does not fit its storage, PyTorch has no such dtype, or the tree is too deep or contains itself.</exception>
    public static TorchStorageTable Of(TorchValue root)
    {
        var table = new TorchStorageTable();
        table.Visit(root);
        return table;
    }

    private void Visit(TorchValue value)
    {
        if (value is TorchScalar or TorchGlobal)
            return;
        if (!_seen.TryAdd(value, true))
        {
            if (_seen[value])
                throw _path.Refuse("stands a value that contains itself; it cannot be written to a file");
            return;
        }
        switch (value)
        {
            case TorchTensorValue tensor:
                Add(tensor);
                break;
            case TorchList list:
                for (int i = 0; i < list.Count; i++)
                {
                    _path.Push(i);
                    Visit(list[i]);
                    _path.Pop();
                }
                break;
            case TorchMap map:
                foreach ((TorchValue key, TorchValue item) in map)
                {
                    _path.Push(key);
                    Visit(key);
                    Visit(item);
                    _path.Pop();
                }
                if (map.Attributes is { } attributes)
                    Visit(attributes);
                break;
        }
        _seen[value] = false;
    }

    private void Add(TorchTensorValue tensor)
    {
        TensorType type = tensor.Data.Type;
        if (TorchDtypes.NameOf(type) is null)
            Refuse($"is of type {type}, which PyTorch has not");
        StateTensor bytes = tensor.Storage.Bytes;
        CheckView(tensor, bytes.ByteLength * 8 / type.BitsPerElement());
        if (_byBytes.TryGetValue(bytes, out StorageRecord? record))
        {
            record.SeenAs(type);
            return;
        }
        record = new StorageRecord(_records.Count, tensor.Storage, _path.ToString(), type);
        _records.Add(record);
        _byBytes.Add(bytes, record);
    }

    private void CheckView(TorchTensorValue tensor, long available)
    {
        IReadOnlyList<long> shape = tensor.Data.Shape;
        if (tensor.Strides.Count != shape.Count)
            Refuse($"has {shape.Count} sizes and {tensor.Strides.Count} strides");
        long last = tensor.Offset;
        bool isEmpty = false;
        for (int i = 0; i < shape.Count; i++)
        {
            if (tensor.Strides[i] < 0)
                Refuse($"has a negative stride, {tensor.Strides[i]}");
            isEmpty |= shape[i] == 0;
            last = checked(last + Math.Max(0, shape[i] - 1) * tensor.Strides[i]);
        }
        if (tensor.Offset < 0 || (!isEmpty && last >= available))
            Refuse($"looks at element {last} of a storage of {available}");
    }

    [DoesNotReturn]
    private void Refuse(string why) => throw _path.Refuse($"stands a tensor that {why}; it cannot be written to a file of PyTorch");
}
