using System.Globalization;
using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// Between the values of a file of PyTorch and the state of a checkpoint.
/// <list type="table">
/// <listheader><term>PyTorch</term><description>state</description></listheader>
/// <item><term>dict, OrderedDict, defaultdict, Counter</term><description><see cref="StateMap"/>; an int as a key becomes decimal text; <c>_metadata</c> and other attributes are dropped</description></item>
/// <item><term>list, tuple, Size, set, frozenset</term><description><see cref="StateList"/></description></item>
/// <item><term>None, bool, int of 64 bits, float, str</term><description>the scalar</description></item>
/// <item><term>int beyond 64 bits</term><description>decimal text</description></item>
/// <item><term>bytes</term><description>a tensor <c>U8[length]</c></description></item>
/// <item><term>complex</term><description>the map <c>real</c>, <c>imag</c></description></item>
/// <item><term>dtype, device</term><description>text: <c>torch.float32</c>, <c>cuda:0</c></description></item>
/// <item><term>path, date, datetime, time, timezone, Decimal, Fraction, UUID</term><description>text, as <c>str</c> or <c>isoformat</c> gives it</description></item>
/// <item><term>timedelta</term><description>seconds</description></item>
/// <item><term>Namespace, SimpleNamespace</term><description>the map of the attributes</description></item>
/// <item><term>deque</term><description><see cref="StateList"/></description></item>
/// <item><term>range, slice</term><description>the map <c>start</c>, <c>stop</c>, <c>step</c></description></item>
/// <item><term>BytesIO, bytearray</term><description>as bytes</description></item>
/// <item><term>tensor, Parameter, view</term><description>its elements as <see cref="StateTensor"/>; equal views of one storage are a tie</description></item>
/// </list>
/// The other way: maps are dicts whose keys are texts, but for the parameters' numbers in an optimizer's <c>state_dict()</c> and the epochs in a scheduler's <c>milestones</c>; lists are lists, each tensor has a storage of its own, and a tie is one tensor at two places. Maps and lists that stand at
/// several places do so on both sides, and are walked once.
/// </summary>
public static class TorchTree
{
    /// <summary>The state of these values. Tensors are not read; they stay tied to the file.</summary>
    /// <exception cref="CheckpointException">
    /// A state cannot hold a value; the message has its path: an object or function, a key that is neither str nor int, two keys that become one text, a value that contains itself.
    /// </exception>
    public static StateNode ToState(TorchValue value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return new StateReader().Node(value);
    }

    /// <summary>
    /// The state of all values. A whole module becomes its tensors by the names of its <c>state_dict()</c>; any other object that a state cannot hold becomes a map of
    /// its class and its plain contents (<see cref="OpaqueForm"/>), a class or function its name, a key that is neither text nor a whole number text with its kind.
    /// </summary>
    /// <param name="root">The values.</param>
    /// <param name="unread">Takes what is not, or not wholly, what it was: where each stands, and what it is. After <see cref="StateReader.MostNamed"/> one entry stands for the others.</param>
    /// <param name="changed">Takes what a state holds as another type, such as a set, of which it makes a list; <see langword="null"/> when nobody asks.</param>
    internal static StateNode ToState(TorchValue root, ICollection<UnreadValue> unread, ICollection<UnreadValue>? changed = null) => new StateReader(unread, changed).Node(root);

    /// <summary>The values of this state. Tensors are not read.</summary>
    /// <exception cref="ArgumentException">The state contains itself.</exception>
    public static TorchValue FromState(StateNode state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return new Writer().Value(state);
    }

    private sealed class Writer
    {
        private readonly Dictionary<StateNode, TorchValue> _done = new(ReferenceEqualityComparer.Instance);
        private readonly TorchPath _path = new();

        public TorchValue Value(StateNode node)
        {
            if (node is StateScalar scalar)
                return Scalar(scalar);
            if (_done.TryGetValue(node, out TorchValue? value))
                return value;
            value = node switch
            {
                StateTensor tensor => new TorchTensorValue(tensor),
                StateList list => List(list),
                StateMap map => Map(map),
                _ => throw new ArgumentException($"A state has no {node.GetType()}.", nameof(node)),
            };
            _done.Add(node, value);
            return value;
        }

        private static TorchValue Scalar(StateScalar scalar) => scalar.Value switch
        {
            bool value => value,
            long value => value,
            double value => value,
            string value => value,
            _ => TorchScalar.None,
        };

        private TorchList List(StateList list)
        {
            var value = new TorchList(TorchListKind.List);
            for (int i = 0; i < list.Count; i++)
            {
                _path.Push(i);
                value.Add(Value(list[i]));
                _path.Pop();
            }
            return value;
        }

        private TorchMap Map(StateMap map)
        {
            var value = new TorchMap();
            foreach ((string key, StateNode item) in map)
            {
                _path.Push(key);
                value.Add(key, NumbersIn(map, key, item) is { Count: > 0 } numbers ? Numbered((StateMap)item, numbers) : Value(item));
                _path.Pop();
            }
            return value;
        }

        // The keys of an entry that are numbers in PyTorch, by their text.
        private static Dictionary<string, long>? NumbersIn(StateMap map, string key, StateNode item) => (key, item) switch
        {
            ("state", StateMap) => Numbers(map),
            ("milestones", StateMap milestones) => Milestones(milestones),
            _ => null,
        };

        // MultiStepLR looks for an epoch among its milestones, and never meets one that is text.
        private static Dictionary<string, long>? Milestones(StateMap milestones)
        {
            var numbers = new Dictionary<string, long>(StringComparer.Ordinal);
            foreach (string key in milestones.Keys)
            {
                if (!long.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number.ToString(CultureInfo.InvariantCulture) != key)
                    return null;
                numbers.Add(key, number);
            }
            return numbers;
        }

        // The numbers by which an optimizer's state_dict() names its parameters, by their text.
        private static Dictionary<string, long> Numbers(StateMap stateDict)
        {
            var numbers = new Dictionary<string, long>(StringComparer.Ordinal);
            if (!stateDict.TryGetValue("param_groups", out StateNode? node) || node is not StateList groups)
                return numbers;
            foreach (StateNode group in groups)
            {
                foreach (StateNode parameter in group is StateMap options && options.TryGetValue("params", out node) && node is StateList list ? list : [])
                {
                    if (parameter is StateScalar { Value: long number })
                        numbers[number.ToString(CultureInfo.InvariantCulture)] = number;
                }
            }
            return numbers;
        }

        // load_state_dict finds no state under the text of a number, and says nothing.
        private TorchMap Numbered(StateMap states, Dictionary<string, long> numbers)
        {
            var value = new TorchMap();
            foreach ((string key, StateNode item) in states)
            {
                _path.Push(key);
                value.Add(numbers.TryGetValue(key, out long number) ? number : key, Value(item));
                _path.Pop();
            }
            return value;
        }
    }
}
