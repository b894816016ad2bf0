using System.Globalization;
using Cairn.State;

namespace Cairn.Capture;

/// <summary>
/// What each part consisted of when it was last captured: the names and sizes of its tensors, no bytes. A part that has lost some of it is refused, because its
/// object was disposed or taken apart before the save. New and growing entries are what training does, and become part of the measure.
/// </summary>
internal sealed class PartContents
{
    // For each part the elements of each tensor, by path; and whether it had any entry at all.
    private readonly Dictionary<string, Contents> _known = new(StringComparer.Ordinal);

    private readonly record struct Contents(Dictionary<string, long> Tensors, bool IsEmpty);

    /// <summary>Compares a part with what it was, and remembers it as it is now.</summary>
    /// <param name="part">The part.</param>
    /// <param name="state">What it captured.</param>
    /// <param name="step">The step that is to be saved.</param>
    /// <exception cref="LostContentException">Tensors are gone or smaller, or nothing is left; what was known stays known.</exception>
    public void Check(IStatePart part, StateMap state, long step)
    {
        if (part.MayShrink)
            return;
        Contents now = ContentsOf(state);
        if (_known.TryGetValue(part.Name, out Contents before))
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

    private static Contents ContentsOf(StateMap state)
    {
        var tensors = new Dictionary<string, long>(StringComparer.Ordinal);
        Add(state, "", tensors);
        return new Contents(tensors, state.Count == 0);
    }

    private static void Add(StateNode node, string path, Dictionary<string, long> tensors)
    {
        switch (node)
        {
            case StateMap map:
                foreach ((string key, StateNode child) in map)
                    Add(child, Join(path, TensorNames.Escape(key)), tensors);
                break;
            case StateList list:
                for (int i = 0; i < list.Count; i++)
                    Add(list[i], Join(path, i.ToString(CultureInfo.InvariantCulture)), tensors);
                break;
            case StateTensor tensor:
                tensors[path] = TensorBox.Elements([.. tensor.Shape]);
                break;
        }
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}/{name}";
}
