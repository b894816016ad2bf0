using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Text;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// Writes a tree of values as <c>torch.save</c> pickles it: protocol 2, storages as persistent ids. Equal trees give equal bytes.
/// <para>
/// <c>torch.load(weights_only=True)</c> of PyTorch 2.6 takes all that is written here. PyTorch 1.13's takes less, whoever wrote the file: dicts,
/// OrderedDicts, lists, tuples, Size, None, bools, ints, texts, tensors, parameters, and dtypes but bool, uint8 and bfloat16; floats, bytes,
/// complex, sets, devices and Counters need <c>weights_only=False</c> there. Tensors of unsigned 16 to 64 bits and of 8-bit floats need PyTorch 2.1 to 2.7.
/// </para>
/// <para>
/// A defaultdict is written as a dict, as its factory is code. A frozenset, a class or function other than a dtype, and an object other than
/// <c>torch.device</c> are errors: the restricted unpickler would refuse them.
/// </para>
/// </summary>
internal sealed partial class PickleWriter
{
    // As in pickle: it bounds the unpickler's stack.
    private const int BatchSize = 1000;

    private readonly PickleOutput _out = new();
    private readonly Dictionary<TorchValue, int> _memo = new(ReferenceEqualityComparer.Instance);
    private readonly TorchPath _path = new();
    private readonly TorchStorageTable _storages;

    private PickleWriter(TorchStorageTable storages) => _storages = storages;

    /// <summary>The pickle of a tree.</summary>
    /// <exception cref="ArgumentException">The tree holds what cannot be written; the message has its path.</exception>
    public static ReadOnlyMemory<byte> Write(TorchValue root, TorchStorageTable storages)
    {
        var writer = new PickleWriter(storages);
        writer._out.Start();
        writer.Value(root);
        writer._out.Op(PickleOpcode.Stop);
        return writer._out.Bytes;
    }

    private void Value(TorchValue value)
    {
        if (value is TorchScalar scalar)
        {
            Scalar(scalar);
            return;
        }
        if (_memo.TryGetValue(value, out int index))
        {
            _out.Recall(index);
            return;
        }
        switch (value)
        {
            case TorchTensorValue tensor: Tensor(tensor); break;
            case TorchMap map: Map(map); break;
            case TorchList list: List(list); break;
            case TorchGlobal global when TorchDtypes.IsDtype(global): _out.Global(global.Module, global.Name); break;
            case TorchGlobal global: Refuse($"the class or function {global}"); break;
            case TorchObject made: Object(made); break;
            case PrunedValue pruned: Refuse(pruned.What); break;
        }
    }

    private void Scalar(TorchScalar scalar)
    {
        switch (scalar.Value)
        {
            case null: _out.Op(PickleOpcode.None); break;
            case bool value: _out.Bool(value); break;
            case long value: _out.Int(value); break;
            case BigInteger value: _out.Int(value); break;
            case double value: _out.Float(value); break;
            case string value: _out.Text(value); break;
            case byte[] value: Bytes(value); break;
            case Complex value:
                _out.Global("__builtin__", "complex");
                _out.Float(value.Real);
                _out.Float(value.Imaginary);
                Call(PickleOpcode.Tuple2);
                break;
        }
    }

    // Protocol 2 has no bytes: each goes as the character of its number, and Python encodes the text on load.
    private void Bytes(byte[] value)
    {
        _out.Global("_codecs", "encode");
        _out.TextOnce(Encoding.Latin1.GetString(value));
        _out.Text("latin1");
        Call(PickleOpcode.Tuple2);
    }

    private void List(TorchList list)
    {
        switch (list.Kind)
        {
            case TorchListKind.List:
                _out.Op(PickleOpcode.EmptyList);
                Remember(list);
                Append(list);
                break;
            case TorchListKind.Tuple:
                Tuple(list);
                if (list.Count > 0)
                    Remember(list);
                break;
            case TorchListKind.Size:
                _out.Global("torch", "Size");
                Tuple(list);
                Call(PickleOpcode.Tuple1);
                Remember(list);
                break;
            case TorchListKind.Set:
                _out.Global("__builtin__", "set");
                _out.Op(PickleOpcode.EmptyList);
                Append(list);
                Call(PickleOpcode.Tuple1);
                Remember(list);
                break;
            default:
                Refuse("a frozenset, put a set or a tuple there");
                break;
        }
    }

    private void Append(TorchList list)
    {
        for (int start = 0; start < list.Count; start += BatchSize)
        {
            int end = Math.Min(list.Count, start + BatchSize);
            if (end - start > 1)
                _out.Op(PickleOpcode.Mark);
            for (int i = start; i < end; i++)
                Item(list, i);
            _out.Op(end - start > 1 ? PickleOpcode.Appends : PickleOpcode.Append);
        }
    }

    private void Tuple(TorchList list)
    {
        if (list.Count == 0)
        {
            _out.Op(PickleOpcode.EmptyTuple);
            return;
        }
        if (list.Count > 3)
            _out.Op(PickleOpcode.Mark);
        for (int i = 0; i < list.Count; i++)
            Item(list, i);
        EndTuple(list.Count);
    }

    private void EndTuple(int count) => _out.Op(count switch { 1 => PickleOpcode.Tuple1, 2 => PickleOpcode.Tuple2, 3 => PickleOpcode.Tuple3, _ => PickleOpcode.Tuple });

    private void Item(TorchList list, int index)
    {
        _path.Push(index);
        Value(list[index]);
        _path.Pop();
    }

    private void Map(TorchMap map)
    {
        if (map.Attributes is not null && map.Kind != TorchMapKind.OrderedDict)
            Refuse($"attributes of a {map.Kind}, only an OrderedDict can carry them");
        switch (map.Kind)
        {
            case TorchMapKind.OrderedDict:
                EmptyOrderedDict();
                break;
            case TorchMapKind.Counter:
                _out.Global("collections", "Counter");
                _out.Op(PickleOpcode.EmptyTuple);
                _out.Op(PickleOpcode.Reduce);
                break;
            default:
                _out.Op(PickleOpcode.EmptyDict);
                break;
        }
        Remember(map);
        Entries(map);
        if (map.Attributes is { } attributes)
        {
            _path.Push("__dict__");
            Value(attributes);
            _path.Pop();
            _out.Op(PickleOpcode.Build);
        }
    }

    private void Entries(TorchMap map)
    {
        int left = map.Count, inBatch = 0;
        bool marked = false;
        foreach ((TorchValue key, TorchValue value) in map)
        {
            if (inBatch == 0)
            {
                inBatch = Math.Min(left, BatchSize);
                left -= inBatch;
                marked = inBatch > 1;
                if (marked)
                    _out.Op(PickleOpcode.Mark);
            }
            _path.Push(key);
            Value(key);
            Value(value);
            _path.Pop();
            if (--inBatch == 0)
                _out.Op(marked ? PickleOpcode.SetItems : PickleOpcode.SetItem);
        }
    }

    private void Object(TorchObject made)
    {
        if (made is not { IsOpaque: false, State: null, Type: { Module: "torch", Name: "device" }, Arguments.Kind: TorchListKind.Tuple })
            Refuse($"an object of {made.Type}");
        _out.Global("torch", "device");
        Tuple(made.Arguments);
        _out.Op(PickleOpcode.Reduce);
        Remember(made);
    }

    private void EmptyOrderedDict()
    {
        _out.Global("collections", "OrderedDict");
        _out.Op(PickleOpcode.EmptyTuple);
        _out.Op(PickleOpcode.Reduce);
    }

    private void Call(byte tuple)
    {
        _out.Op(tuple);
        _out.Op(PickleOpcode.Reduce);
    }

    private void Remember(TorchValue value) => _memo.Add(value, _out.Memoize());

    [DoesNotReturn]
    private void Refuse(string what) => throw _path.Refuse($"stands what a file of PyTorch cannot hold safely: {what}");
}
