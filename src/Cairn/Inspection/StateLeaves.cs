using System.Globalization;
using Cairn.State;

namespace Cairn.Inspection;

/// <summary>A tensor or scalar of a state, with the path that leads to it.</summary>
/// <param name="Path">Names of the entries on the way, joined by <c>/</c>; numbers in lists.</param>
/// <param name="Node">The <see cref="StateTensor"/> or <see cref="StateScalar"/>, or an empty <see cref="StateMap"/> or <see cref="StateList"/>.</param>
internal readonly record struct StateLeaf(string Path, StateNode Node);

/// <summary>The leaves of a state, in order.</summary>
internal static class StateLeaves
{
    /// <summary>All tensors and scalars, and what is empty.</summary>
    public static IEnumerable<StateLeaf> Of(StateNode state)
    {
        ArgumentNullException.ThrowIfNull(state);
        // Not by recursion: a state that was read from a file may be deep.
        var open = new Stack<StateLeaf>();
        open.Push(new StateLeaf("", state));
        while (open.TryPop(out StateLeaf leaf))
        {
            switch (leaf.Node)
            {
                case StateMap { Count: > 0 } map:
                    foreach ((string name, StateNode child) in map.Reverse())
                        open.Push(new StateLeaf(Join(leaf.Path, name), child));
                    break;
                case StateList { Count: > 0 } list:
                    for (int i = list.Count - 1; i >= 0; i--)
                        open.Push(new StateLeaf(Join(leaf.Path, i.ToString(CultureInfo.InvariantCulture)), list[i]));
                    break;
                case StateMap or StateList when leaf.Path.Length == 0:
                    break;
                default:
                    yield return leaf;
                    break;
            }
        }
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}/{name}";
}
