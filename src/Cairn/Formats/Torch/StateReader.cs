using System.Globalization;
using System.Numerics;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>Makes the state of a file's values, each once however often it is shared.</summary>
/// <param name="unread">Takes what a state cannot hold as it is; <see langword="null"/> to refuse it.</param>
/// <param name="changed">Takes what a state holds as another type; <see langword="null"/> when nobody asks.</param>
internal sealed class StateReader(ICollection<UnreadValue>? unread = null, ICollection<UnreadValue>? changed = null)
{
    /// <summary>As many values are named by their places.</summary>
    public const int MostNamed = 1000;

    // What a conversion puts around a state still fits what may be written.
    private const int DeepestState = TorchPath.MaxDepth - 8;

    private readonly Dictionary<TorchValue, StateNode?> _done = new(ReferenceEqualityComparer.Instance);
    private readonly TorchPath _path = new();
    private readonly ModuleTensors _modules = new();
    // What is within an object that was named is not named again.
    private int _withinNamed;

    public StateNode Node(TorchValue value)
    {
        switch (value)
        {
            case TorchScalar scalar: return Scalar(scalar);
            case TorchTensorValue tensor: return tensor.Data;
            case PrunedValue pruned:
                Refuse(pruned.What);
                return StateScalar.Null;
            case TorchGlobal global:
                if (!TorchDtypes.IsDtype(global))
                    Refuse($"the class or function {CorruptTorchFileException.Shorten(global.ToString())}");
                return global.ToString();
        }
        if (_path.Depth >= DeepestState)
        {
            Refuse($"a value that is nested deeper than {DeepestState} levels");
            return StateScalar.Null;
        }
        if (_done.TryGetValue(value, out StateNode? node))
        {
            if (node is null)
                Refuse("a value that contains itself");
            return node ?? StateScalar.Null;
        }
        // Without an entry yet: on the way to itself.
        _done.Add(value, null);
        node = value switch
        {
            TorchMap map => Map(map),
            TorchList list => List(list),
            _ => Object((TorchObject)value),
        };
        _done[value] = node;
        return node;
    }

    private StateNode Scalar(TorchScalar scalar) => scalar.Value switch
    {
        null => StateScalar.Null,
        bool value => value,
        long value => value,
        double value => value,
        string value => value,
        BigInteger value => Large(value),
        Complex value when Changed("a complex number, as two") => new StateMap { { "real", value.Real }, { "imag", value.Imaginary } },
        byte[] value => Bytes(scalar, value),
        object other => throw new InvalidOperationException($"A scalar is a {other.GetType()}."),
    };

    // A state has numbers of 64 bits.
    private string Large(BigInteger value)
    {
        if (unread is not null)
            Refuse("a whole number beyond 64 bits, kept as text");
        return value.ToString(CultureInfo.InvariantCulture);
    }

    private StateNode Bytes(TorchScalar scalar, byte[] value)
    {
        Changed("bytes, as a tensor of them");
        if (!_done.TryGetValue(scalar, out StateNode? node))
            _done.Add(scalar, node = new MemoryTensor(TensorType.U8, [value.Length], value));
        return node!;
    }

    private StateMap Map(TorchMap map)
    {
        StateMap state = [];
        KeyNames? names = null;
        foreach ((TorchValue key, TorchValue value) in map)
        {
            _path.Push(key);
            string? name = KeyNames.Plain(key);
            if (name is null)
                Refuse($"a key that is neither text nor a whole number: {KeyNames.Described(key)}");
            // A text keeps its name, whichever of the two comes first.
            else if (key is not TorchScalar { Value: string } && IsTaken(name))
            {
                Refuse($"a key that reads '{CorruptTorchFileException.Shorten(name)}' a second time, once as text and once as a number");
                name = null;
            }
            state.Add(name ?? (names ??= new KeyNames()).Unique(key, IsTaken), Node(value));
            _path.Pop();
        }
        return state;

        bool IsTaken(string name) => state.ContainsKey(name) || map.Find(name) is not null;
    }

    private StateList List(TorchList list)
    {
        if (list.Kind is TorchListKind.Set or TorchListKind.FrozenSet)
            Changed("a set, as a list");
        StateList state = [];
        for (int i = 0; i < list.Count; i++)
        {
            _path.Push(i);
            state.Add(Node(list[i]));
            _path.Pop();
        }
        return state;
    }

    private StateNode Object(TorchObject made)
    {
        if (PlainObjects.Text(made) is { } text)
            return text;
        if (PlainObjects.Contents(made) is { } contents)
            return Node(contents);
        if (unread is not null && _modules.Of(made) is { } tensors)
        {
            Refuse($"a module of {ClassOf(made)}, of which only the tensors are read");
            return tensors;
        }
        if (unread is not null && WrappedTensor.Of(made)?.Whole is { } whole)
            return whole.Data;
        if (unread is not null && ScriptTensors.IsModule(made) && new ScriptTensors().Of(made) is { } program)
        {
            Refuse($"a TorchScript program of {ClassOf(made)}, of which only the tensors are read, and no code");
            return program;
        }
        Refuse(OpaqueForm.Describe(made));
        _withinNamed++;
        StateMap state = [];
        foreach ((string name, TorchValue value) in OpaqueForm.Of(made))
        {
            _path.Push(name);
            state.Add(name, Node(value));
            _path.Pop();
        }
        _withinNamed--;
        return state;
    }

    private static string ClassOf(TorchObject made) => CorruptTorchFileException.Shorten(made.Type.ToString());

    private bool Changed(string how)
    {
        if (changed is not null && _withinNamed == 0 && changed.Count < MostNamed)
            changed.Add(new UnreadValue(_path.ToString(), how));
        return true;
    }

    private void Refuse(string what)
    {
        if (unread is null)
            throw new UnreadValueException(_path.ToString(), what);
        if (_withinNamed == 0 && unread.Count <= MostNamed)
            unread.Add(unread.Count < MostNamed ? new UnreadValue(_path.ToString(), what) : new UnreadValue("elsewhere", "more values, which are not named"));
    }
}
