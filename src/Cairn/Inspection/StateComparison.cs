using Cairn.State;

namespace Cairn.Inspection;

/// <summary>What became of an entry from one state to another.</summary>
internal enum EntryChange
{
    /// <summary>It is the same.</summary>
    Same,
    /// <summary>Only the second state has it.</summary>
    Added,
    /// <summary>Only the first state has it.</summary>
    Removed,
    /// <summary>A tensor of another shape.</summary>
    Reshaped,
    /// <summary>A tensor of the same shape and another type, or another kind of value.</summary>
    Retyped,
    /// <summary>Another value.</summary>
    Changed,
}

/// <summary>An entry of two states.</summary>
/// <param name="Path">Its path, as in <see cref="StateLeaf"/>.</param>
/// <param name="Change">What became of it. Of tensors this is what type and shape say, until their values were compared.</param>
/// <param name="Left">The leaf in the first state; <see langword="null"/> when it is not there.</param>
/// <param name="Right">The leaf in the second state; <see langword="null"/> when it is not there.</param>
internal sealed record EntryComparison(string Path, EntryChange Change, StateNode? Left, StateNode? Right)
{
    /// <summary>How the values of two tensors differ; <see langword="null"/> when they were not compared, because shapes differ or there are not two tensors.</summary>
    public TensorComparison? Tensors { get; init; }
}

/// <summary>Compares two states, entry by entry.</summary>
internal static class StateComparison
{
    /// <summary>Compares names, kinds, types, shapes and scalars. Tensors of equal shape are listed, and their values not read.</summary>
    public static IReadOnlyList<EntryComparison> Structure(StateMap left, StateMap right)
    {
        OrderedDictionary<string, StateNode> first = Leaves(left), second = Leaves(right);
        var entries = new List<EntryComparison>(first.Count);
        foreach ((string path, StateNode node) in first)
            entries.Add(second.TryGetValue(path, out StateNode? other) ? new EntryComparison(path, ChangeOf(node, other), node, other) : new EntryComparison(path, EntryChange.Removed, node, null));
        foreach ((string path, StateNode node) in second)
        {
            if (!first.ContainsKey(path))
                entries.Add(new EntryComparison(path, EntryChange.Added, null, node));
        }
        return entries;
    }

    /// <summary>Compares everything, values included.</summary>
    /// <exception cref="CheckpointException">A tensor could not be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IReadOnlyList<EntryComparison> Compare(StateMap left, StateMap right, InspectionOptions? options = null, CancellationToken cancellationToken = default)
    {
        EntryComparison[] entries = [.. Structure(left, right)];
        int[] pairs = [.. Enumerable.Range(0, entries.Length).Where(i => HasValuesToCompare(entries[i]))];
        IReadOnlyList<TensorComparison> compared = TensorInspector.Compare([.. pairs.Select(i => ((StateTensor)entries[i].Left!, (StateTensor)entries[i].Right!))], options, cancellationToken);
        for (int i = 0; i < pairs.Length; i++)
        {
            EntryComparison entry = entries[pairs[i]];
            EntryChange change = entry.Change == EntryChange.Same && !compared[i].Identical ? EntryChange.Changed : entry.Change;
            entries[pairs[i]] = entry with { Change = change, Tensors = compared[i] };
        }
        return entries;
    }

    /// <summary>Bytes that <see cref="Compare"/> reads for these entries, at most.</summary>
    public static long BytesToCompare(IEnumerable<EntryComparison> structure) =>
        structure.Where(HasValuesToCompare).Sum(entry => ((StateTensor)entry.Left!).ByteLength + ((StateTensor)entry.Right!).ByteLength);

    private static bool HasValuesToCompare(EntryComparison entry) =>
        entry is { Left: StateTensor, Right: StateTensor, Change: EntryChange.Same or EntryChange.Retyped };

    private static EntryChange ChangeOf(StateNode left, StateNode right) => (left, right) switch
    {
        (StateTensor a, StateTensor b) => !a.Shape.SequenceEqual(b.Shape) ? EntryChange.Reshaped : a.Type != b.Type ? EntryChange.Retyped : EntryChange.Same,
        (StateScalar a, StateScalar b) => a.IsSame(b) ? EntryChange.Same : a.Value?.GetType() == b.Value?.GetType() ? EntryChange.Changed : EntryChange.Retyped,
        _ => left.GetType() == right.GetType() ? EntryChange.Same : EntryChange.Retyped,
    };

    // Names may hold the separator: where two paths come out alike the later one is told apart.
    private static OrderedDictionary<string, StateNode> Leaves(StateMap state)
    {
        var leaves = new OrderedDictionary<string, StateNode>(StringComparer.Ordinal);
        foreach (StateLeaf leaf in StateLeaves.Of(state))
        {
            string path = leaf.Path;
            for (int twin = 2; !leaves.TryAdd(path, leaf.Node); twin++)
                path = $"{leaf.Path}#{twin}";
        }
        return leaves;
    }
}
