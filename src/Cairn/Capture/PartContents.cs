using System.Globalization;
using Cairn.State;

namespace Cairn.Capture;

/// <summary>
/// What each part consisted of when it was last captured: the names and sizes of its tensors, no bytes. A part that has lost some of it is refused, because its
/// object was disposed or taken apart before the save. New and growing entries are what training does, and become part of the measure.
/// </summary>
internal sealed class PartContents
{
    private readonly Dictionary<string, Contents> _known = new(StringComparer.Ordinal);

    /// <summary>Compares a part with what it was, and remembers it as it is now.</summary>
    /// <param name="part">The part.</param>
    /// <param name="state">What it captured.</param>
    /// <param name="step">The step that is to be saved.</param>
    /// <exception cref="LostContentException">Tensors are gone or smaller, or nothing is left; what was known stays known.</exception>
    public void Check(IStatePart part, StateMap state, long step)
    {
        if (part.MayShrink)
            return;
        if (_known.TryGetValue(part.Name, out Contents? before) && before.Are(state))
            return;
        var now = new Contents(state);
        if (before is not null)
        {
            List<string> lost = [.. before.Tensors.Where(entry => now.Tensors.GetValueOrDefault(entry.Key, -1) < entry.Value).Select(entry => Describe(entry.Key, entry.Value, now))];
            if (lost.Count > 0 || (now.IsEmpty && !before.IsEmpty))
                throw new LostContentException(part.Name, lost, before.Tensors.Count) { Step = step };
        }
        _known[part.Name] = now;
    }

    /// <summary>Takes a part, however small, as it is when it is captured next.</summary>
    public void Forget(string part) => _known.Remove(part);

    private static string Describe(string path, long elements, Contents now) => now.Tensors.TryGetValue(path, out long left)
        ? string.Create(CultureInfo.InvariantCulture, $"{path} has {left} of {elements} elements") : path;

    /// <summary>The maps, lists and tensors of a part in the order in which they are met, and how much is in each.</summary>
    private sealed class Contents
    {
        // Of a tensor its elements; of a map or list the complement of the number of its entries.
        private readonly List<(string? Key, int Index, long Count)> _nodes = [];

        public Contents(StateMap state)
        {
            IsEmpty = state.Count == 0;
            Add(null, 0, "", state);
        }

        /// <summary>Whether there is no entry at all.</summary>
        public bool IsEmpty { get; }

        /// <summary>The elements of each tensor by its path.</summary>
        public Dictionary<string, long> Tensors { get; } = new(StringComparer.Ordinal);

        /// <summary>Whether a part has the same in it, in the same order. Allocates nothing.</summary>
        public bool Are(StateMap state)
        {
            int at = 0;
            return Are(null, 0, state, ref at) && at == _nodes.Count;
        }

        private void Add(string? key, int index, string path, StateNode node)
        {
            if (CountOf(node) is not { } count)
                return;
            _nodes.Add((key, index, count));
            if (count >= 0)
                Tensors[path] = count;
            for (int i = 0; i < ~count; i++)
            {
                (string? childKey, StateNode child) = ChildOf(node, i);
                Add(childKey, i, Join(path, childKey is null ? i.ToString(CultureInfo.InvariantCulture) : TensorNames.Escape(childKey)), child);
            }
        }

        private bool Are(string? key, int index, StateNode node, ref int at)
        {
            if (CountOf(node) is not { } count)
                return true;
            if (at == _nodes.Count || _nodes[at].Count != count || _nodes[at].Index != index || !string.Equals(_nodes[at].Key, key, StringComparison.Ordinal))
                return false;
            at++;
            for (int i = 0; i < ~count; i++)
            {
                (string? childKey, StateNode child) = ChildOf(node, i);
                if (!Are(childKey, i, child, ref at))
                    return false;
            }
            return true;
        }

        // Null for what holds nothing that could be lost.
        private static long? CountOf(StateNode node) => node switch
        {
            StateMap map => ~map.Count,
            StateList list => ~list.Count,
            StateTensor tensor => TensorBox.Elements(tensor.Sizes),
            _ => null,
        };

        private static (string? Key, StateNode Node) ChildOf(StateNode node, int index)
        {
            if (node is StateList list)
                return (null, list[index]);
            (string key, StateNode child) = ((StateMap)node).At(index);
            return (key, child);
        }

        private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}/{name}";
    }
}
