using System.Globalization;
using Cairn.State;

namespace Cairn.TorchSharp;

/// <summary>Compares the settings in a saved state with those that the program was written with, and puts the latter in their place.</summary>
internal static class ProgramSettings
{
    /// <summary>The saved state with the program's settings.</summary>
    /// <param name="part">The part's name, for the report.</param>
    /// <param name="prefix">What stands before the settings' names; ends in a dot, or is empty.</param>
    /// <param name="saved">The saved state, which fits the live one.</param>
    /// <param name="own">The live state, before anything was restored.</param>
    /// <param name="isSetting">Whether an entry is a setting, and not what training has come to.</param>
    /// <param name="differences">Takes what differs.</param>
    public static StateMap In(string part, string prefix, StateMap saved, StateMap own, Func<string, bool> isSetting, ICollection<SettingDifference> differences)
    {
        StateMap result = [];
        foreach ((string name, StateNode node) in saved)
            result.Add(name, own.TryGetValue(name, out StateNode? live) && isSetting(name) ? Node(part, prefix + name, node, live, isSetting, differences) : node);
        return result;
    }

    /// <summary>Whether two settings are the same.</summary>
    public static bool AreSame(StateNode one, StateNode other) => (one, other) switch
    {
        (StateScalar first, StateScalar second) => SavedState.TryRead(first, out double a) && SavedState.TryRead(second, out double b) ? a.Equals(b) : Equals(first.Value, second.Value),
        (StateList first, StateList second) => first.Count == second.Count && first.Zip(second).All(pair => AreSame(pair.First, pair.Second)),
        (StateMap first, StateMap second) => first.Count == second.Count && first.All(entry => second.TryGetValue(entry.Key, out StateNode? found) && AreSame(entry.Value, found)),
        _ => false,
    };

    /// <summary>A setting for a person.</summary>
    public static string Text(StateNode node) => node switch
    {
        StateScalar { Value: null } => "none",
        StateScalar scalar => Convert.ToString(scalar.Value, CultureInfo.InvariantCulture)!,
        StateList list => $"[{string.Join(", ", list.Select(Text))}]",
        StateMap map => $"{{{string.Join(", ", map.Select(entry => $"{entry.Key}: {Text(entry.Value)}"))}}}",
        _ => node.ToString()!,
    };

    private static StateNode Node(string part, string name, StateNode saved, StateNode own, Func<string, bool> isSetting, ICollection<SettingDifference> differences)
    {
        switch (saved, own)
        {
            // A scheduler within a scheduler has settings and counters of its own.
            case (StateMap map, StateMap live) when map.ContainsKey("type"):
                return In(part, name + ".", map, live, isSetting, differences);
            case (StateList { Count: > 0 } list, StateList live) when list.Count == live.Count && list[0] is StateMap first && first.ContainsKey("type"):
                return new StateList(list.Zip(live).Select((pair, i) => Node(part, $"{name}.{i.ToString(CultureInfo.InvariantCulture)}", pair.First, pair.Second, isSetting, differences)));
        }
        if (AreSame(saved, own))
            return saved;
        // What TorchSharp made of another setting is no news.
        if (!name.EndsWith("sortedMilestones", StringComparison.Ordinal))
            differences.Add(new SettingDifference(part, name, Text(saved), Text(own)));
        return own;
    }
}
