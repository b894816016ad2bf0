using System.Collections.Frozen;
using Cairn.Checkpoints;

namespace Cairn.Layouts;

/// <summary>The layouts in which a run can be trained, by name. A copy's marker says which one it has; copies of several may stand in one run.</summary>
public static class CheckpointLayouts
{
    /// <summary>The name of the layout that is used when nothing is said.</summary>
    public const string Default = Marker.DefaultLayout;

    private static readonly Lock Registering = new();
    private static volatile FrozenDictionary<string, ICheckpointLayout> _all = ByName([CairnLayout.Instance, InternLm.InternLmLayout.Instance]);

    /// <summary>The names.</summary>
    public static IReadOnlyList<string> Names => _all.Keys;

    /// <summary>Whether there is such a layout.</summary>
    public static bool Contains(string? name) => name is not null && _all.ContainsKey(name);

    /// <summary>The layout of this name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static ICheckpointLayout Of(string name) => _all.TryGetValue(name, out ICheckpointLayout? layout)
        ? layout
        : throw new ArgumentException($"There is no layout '{name}'. There are {string.Join(", ", _all.Keys.Order(StringComparer.Ordinal))}.", nameof(name));

    /// <summary>
    /// Makes a layout of your own known to this process: runs can be trained in it (<see cref="CheckpointOptions.Layout"/>), and its copies resumed, opened and verified. Call it
    /// before the first run starts. Another one of the same type and name changes nothing. With dependency injection, register it as <see cref="ICheckpointLayout"/> instead. The <c>cairn</c> command does not know it.
    /// </summary>
    /// <exception cref="ArgumentException">The name is not made of lower-case letters, digits and hyphens, or another layout has it.</exception>
    public static void Register(ICheckpointLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        string name = layout.Name;
        if (string.IsNullOrEmpty(name) || !name.All(static letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter == '-'))
            throw new ArgumentException($"The layout's name '{name}' must be made of lower-case letters, digits and hyphens.", nameof(layout));
        lock (Registering)
        {
            if (!_all.TryGetValue(name, out ICheckpointLayout? known))
                _all = ByName([.. _all.Values, layout]);
            else if (known.GetType() != layout.GetType())
                throw new ArgumentException($"There is a layout '{name}' already ({known.GetType()}). Give yours another name.", nameof(layout));
        }
    }

    private static FrozenDictionary<string, ICheckpointLayout> ByName(IEnumerable<ICheckpointLayout> layouts) => layouts.ToFrozenDictionary(layout => layout.Name, StringComparer.Ordinal);
}
