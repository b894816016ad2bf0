using Op = Cairn.Formats.Torch.Pickle.PickleOpcode;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// Runs one pickle, as CPython's <c>pickle.Unpickler</c> does, but makes values only: a class or function that is not on the list of
/// <see cref="PickleCallables"/> is refused where it is named.
/// </summary>
internal sealed partial class PickleMachine(PickleSource source, PickleContext context)
{
    private const int HighestProtocol = 5;
    private static readonly TorchScalar True = new(true), False = new(false);
    private static readonly TorchScalar[] SmallNumbers = [.. Enumerable.Range(0, 256).Select(i => new TorchScalar((long)i))];

    private readonly PickleStack _stack = new(source);
    private readonly PickleMemo _memo = new(source);

    /// <summary>The storage, when the pickle is nothing else.</summary>
    public StorageReference? BareStorage { get; private set; }

    /// <summary>Reads up to and with the opcode STOP, once.</summary>
    /// <exception cref="CorruptTorchFileException">The pickle is bad.</exception>
    /// <exception cref="ForbiddenPickleException">It names what is not plain data.</exception>
    public TorchValue Run()
    {
        try
        {
            return RunToStop();
        }
        finally
        {
            _stack.Release();
        }
    }

    private TorchValue RunToStop()
    {
        while (true)
        {
            byte opcode = source.ReadByte();
            if (opcode == Op.Stop)
                break;
            Step(opcode);
        }
        TorchValue top = _stack.Pop();
        BareStorage = top as StorageReference;
        TorchValue root = context.Finish(top);
        if (_stack.Count > 0 || _stack.HasMarks)
            throw source.Bad(TorchFault.Stack, "the pickle ends with values left over", "one value", $"{_stack.Count} more");
        ValueGraph.Check(root, context, source.Position - source.Start);
        return root;
    }

    private void Step(byte opcode)
    {
        switch (opcode)
        {
            case Op.Proto: CheckProtocol(source.ReadByte()); break;
            case Op.Frame: source.Length(source.ReadInt64()); break;

            case Op.Mark: _stack.Mark(); break;
            case Op.PopMark: _stack.PopMark(); break;
            case Op.Pop when _stack.IsAtMark: _stack.PopMark(); break;
            case Op.Pop: _stack.Pop(); break;
            case Op.Dup: _stack.Push(_stack.Top); break;

            case Op.Put: _memo.Put(ReadNumber(), _stack.Top); break;
            case Op.BinPut: _memo.Put(source.ReadByte(), _stack.Top); break;
            case Op.LongBinPut: _memo.Put((uint)source.ReadInt32(), _stack.Top); break;
            case Op.Memoize: _memo.Put(_memo.Count, _stack.Top); break;
            case Op.Get: _stack.Push(_memo.Get(ReadNumber())); break;
            case Op.BinGet: _stack.Push(_memo.Get(source.ReadByte())); break;
            case Op.LongBinGet: _stack.Push(_memo.Get((uint)source.ReadInt32())); break;

            case Op.None: _stack.Push(TorchScalar.None); break;
            case Op.NewTrue: _stack.Push(True); break;
            case Op.NewFalse: _stack.Push(False); break;
            case Op.Int: _stack.Push(ReadIntLine()); break;
            case Op.BinInt: _stack.Push(Number(source.ReadInt32())); break;
            case Op.BinInt1: _stack.Push(SmallNumbers[source.ReadByte()]); break;
            case Op.BinInt2: _stack.Push(Number(source.ReadUInt16())); break;
            case Op.Long: _stack.Push(ReadLongLine()); break;
            case Op.Long1: _stack.Push(ReadLong(source.ReadByte())); break;
            case Op.Long4: _stack.Push(ReadLong(source.ReadInt32())); break;
            case Op.Float: _stack.Push(ReadFloatLine()); break;
            case Op.BinFloat: _stack.Push(new TorchScalar(source.ReadDouble())); break;

            case Op.String: _stack.Push(ReadStringLine()); break;
            case Op.BinString: _stack.Push(TextOrBytes(source.ReadBytes(source.ReadInt32()))); break;
            case Op.ShortBinString: _stack.Push(TextOrBytes(source.ReadBytes(source.ReadByte()))); break;
            case Op.Unicode: _stack.Push(ReadUnicodeLine()); break;
            case Op.ShortBinUnicode: _stack.Push(ReadText(source.ReadByte())); break;
            case Op.BinUnicode: _stack.Push(ReadText((uint)source.ReadInt32())); break;
            case Op.BinUnicode8: _stack.Push(ReadText(source.ReadInt64())); break;
            case Op.ShortBinBytes: _stack.Push(new TorchScalar(source.ReadBytes(source.ReadByte()))); break;
            case Op.BinBytes: _stack.Push(new TorchScalar(source.ReadBytes((uint)source.ReadInt32()))); break;
            case Op.BinBytes8 or Op.ByteArray8: _stack.Push(new TorchScalar(source.ReadBytes(source.ReadInt64()))); break;

            case Op.EmptyTuple: _stack.Push(new TorchList(TorchListKind.Tuple)); break;
            case Op.Tuple1: _stack.Push(context.Tuple(_stack.PopMany(1))); break;
            case Op.Tuple2: _stack.Push(context.Tuple(_stack.PopMany(2))); break;
            case Op.Tuple3: _stack.Push(context.Tuple(_stack.PopMany(3))); break;
            case Op.Tuple: _stack.Push(context.Tuple(_stack.PopMark())); break;
            case Op.EmptyList: _stack.Push(new TorchList(TorchListKind.List)); break;
            case Op.List: _stack.Push(Extend(new TorchList(TorchListKind.List), _stack.PopMark())); break;
            case Op.Append: { TorchValue item = _stack.Pop(); Extend(_stack.Top, [item]); break; }
            case Op.Appends: { ReadOnlySpan<TorchValue> items = _stack.PopMark(); Extend(_stack.Top, items); break; }
            case Op.EmptySet: _stack.Push(new TorchList(TorchListKind.Set)); break;
            case Op.AddItems: { ReadOnlySpan<TorchValue> items = _stack.PopMark(); AddToSet(_stack.Top, items); break; }
            case Op.FrozenSet: _stack.Push(AddToSet(new TorchList(TorchListKind.FrozenSet), _stack.PopMark())); break;
            case Op.EmptyDict: _stack.Push(new TorchMap()); break;
            case Op.Dict: _stack.Push(SetItems(new TorchMap(), _stack.PopMark())); break;
            case Op.SetItem: { ReadOnlySpan<TorchValue> pair = _stack.PopMany(2); SetItems(_stack.Top, pair); break; }
            case Op.SetItems: { ReadOnlySpan<TorchValue> pairs = _stack.PopMark(); SetItems(_stack.Top, pairs); break; }

            case Op.Global: _stack.Push(ReadGlobal()); break;
            case Op.StackGlobal: { TorchValue name = _stack.Pop(); _stack.Push(Global(Name(_stack.Pop()), Name(name))); break; }
            case Op.Reduce: { TorchList arguments = Arguments(_stack.Pop()); _stack.Push(Call(_stack.Pop(), arguments, isNew: false)); break; }
            case Op.NewObj: { TorchList arguments = Arguments(_stack.Pop()); _stack.Push(Call(_stack.Pop(), arguments, isNew: true)); break; }
            case Op.NewObjEx: NewObjectWithKeywords(); break;
            case Op.Obj: MakeInstance(_stack.PopMark()); break;
            case Op.Inst: { TorchGlobal type = ReadGlobal(); _stack.Push(Call(type, context.Tuple(_stack.PopMark()), isNew: false)); break; }
            case Op.Build: { TorchValue state = context.Finish(_stack.Pop()); PickleBuild.Build(_stack.Top, state, context); break; }

            case Op.PersId: _stack.Push(LoadPersistent(new TorchScalar(source.Text(source.ReadLine())))); break;
            case Op.BinPersId: _stack.Push(LoadPersistent(_stack.Pop())); break;

            case Op.Ext1 or Op.Ext2 or Op.Ext4:
                throw source.Bad(TorchFault.Opcode, "the pickle names a class by a number of the extension registry (EXT), which only the program that wrote it knows", "a class by name", $"opcode 0x{opcode:X2} at byte {source.Position - 1}");
            case Op.NextBuffer or Op.ReadOnlyBuffer:
                throw source.Bad(TorchFault.Opcode, "the pickle refers to a buffer outside of the file (out-of-band, protocol 5)", "buffers within the pickle", $"opcode 0x{opcode:X2} at byte {source.Position - 1}");
            default:
                throw source.Bad(TorchFault.Opcode, "the pickle has an unknown opcode", "an opcode of the protocols 0 to 5", $"0x{opcode:X2} at byte {source.Position - 1}");
        }
    }

    private void CheckProtocol(byte protocol)
    {
        if (protocol > HighestProtocol)
            throw source.Bad(TorchFault.Opcode, "the pickle has an unknown protocol", $"0 to {HighestProtocol}", $"{protocol}");
    }

    private TorchValue Extend(TorchValue target, ReadOnlySpan<TorchValue> items)
    {
        TorchList list = target switch
        {
            TorchList { Kind: TorchListKind.List } existing => existing,
            TorchObject instance => instance.Items ??= new TorchList(TorchListKind.List),
            _ => throw context.Wrong("something is appended to what is not a list", "a list", target),
        };
        foreach (TorchValue item in items)
            list.Add(context.Finish(item));
        return target;
    }

    private TorchList AddToSet(TorchValue target, ReadOnlySpan<TorchValue> items)
    {
        if (target is not TorchList { Kind: TorchListKind.Set or TorchListKind.FrozenSet } set)
            throw context.Wrong("something is added to what is not a set", "a set", target);
        foreach (TorchValue item in items)
            set.Add(context.Finish(item));
        return set;
    }

    private TorchValue SetItems(TorchValue target, ReadOnlySpan<TorchValue> pairs)
    {
        if (pairs.Length % 2 != 0)
            throw source.Bad(TorchFault.Stack, "a key has no value", "keys and values in turn", $"{pairs.Length} values");
        TorchMap map = target switch
        {
            TorchMap existing => existing,
            TorchObject instance => instance.Entries ??= new TorchMap(),
            _ => throw context.Wrong("an entry is set in what is not a dict", "a dict", target),
        };
        for (int i = 0; i < pairs.Length; i += 2)
        {
            TorchValue key = context.Finish(pairs[i]);
            if (key is TorchMap or TorchList { Kind: TorchListKind.List or TorchListKind.Set })
                throw context.Wrong("a key is of a kind that Python cannot hash", "a key that does not change", key);
            map[key] = context.Finish(pairs[i + 1]);
        }
        return target;
    }

    private string Name(TorchValue value) => context.Text(value, "the name of a class is malformed");

    private TorchGlobal ReadGlobal()
    {
        string module = source.Text(source.ReadLine());
        return Global(module, source.Text(source.ReadLine()));
    }

    private TorchGlobal Global(string module, string name)
    {
        TorchGlobal global = PickleCallables.Name(module, name);
        return context.Options.AllowOpaque || PickleCallables.IsKnown(global) ? global : throw context.Forbidden(global.ToString());
    }

    private TorchList Arguments(TorchValue value) =>
        value is TorchList { Kind: TorchListKind.Tuple } arguments ? arguments : throw context.Wrong("arguments are malformed", "a tuple", value);

    private TorchValue Call(TorchValue callable, TorchList arguments, bool isNew, TorchMap? keywords = null) =>
        callable is TorchGlobal type ? PickleCallables.Call(context, type, arguments, isNew, keywords)
            : callable is TorchObject { Type: var made } instance && context.Options.AllowOpaque
                ? new TorchObject(new TorchGlobal(made.Module, $"{made.Name}.__call__"), new TorchList(TorchListKind.Tuple, [instance, arguments]), isOpaque: true) { Keywords = keywords }
            : throw context.Forbidden($"a call of {PickleContext.Describe(callable)}");

    private void NewObjectWithKeywords()
    {
        TorchValue keywords = _stack.Pop();
        TorchList arguments = Arguments(_stack.Pop());
        if (keywords is not TorchMap map)
            throw context.Wrong("arguments by name are malformed", "a dict", keywords);
        _stack.Push(Call(_stack.Pop(), arguments, isNew: true, map.Count == 0 ? null : map));
    }

    private void MakeInstance(ReadOnlySpan<TorchValue> items)
    {
        if (items.IsEmpty)
            throw source.Bad(TorchFault.Stack, "an object has no class", "a class and its arguments", "nothing");
        TorchValue type = items[0];
        _stack.Push(Call(type, context.Tuple(items[1..]), isNew: false));
    }

    private TorchValue LoadPersistent(TorchValue id) => context.PersistentLoad is { } load ? load(id)
        : throw source.Bad(TorchFault.StorageReference, "the pickle refers to a storage outside of it", "a pickle that stands alone", PickleContext.Describe(id));
}
