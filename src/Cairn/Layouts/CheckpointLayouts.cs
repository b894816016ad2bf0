using System.Collections.Frozen;
using Cairn.Checkpoints;

namespace Cairn.Layouts;

/// <summary>The layouts in which a run can be trained, by name. A copy's marker says which one it has; copies of several may stand in one run.</summary>
public static class CheckpointLayouts
{
    /// <summary>The name of the layout that is used when nothing is said.</summary>
    public const string Default = Marker.DefaultLayout;

    private static readonly FrozenDictionary<string, ICheckpointLayout> All =
        new ICheckpointLayout[] { CairnLayout.Instance, InternLm.InternLmLayout.Instance }.ToFrozenDictionary(layout => layout.Name, StringComparer.Ordinal);

    /// <summary>The names.</summary>
    public static IReadOnlyList<string> Names => All.Keys;

    /// <summary>Whether there is such a layout.</summary>
    public static bool Contains(string? name) => name is not null && All.ContainsKey(name);

    /// <summary>The layout of this name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static ICheckpointLayout Of(string name) => All.TryGetValue(name, out ICheckpointLayout? layout)
        ? layout
        : throw new ArgumentException($"There is no layout '{name}'. There are {string.Join(", ", All.Keys.Order(StringComparer.Ordinal))}.", nameof(name));
}
