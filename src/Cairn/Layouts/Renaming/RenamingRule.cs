namespace Cairn.Layouts.Renaming;

/// <summary>What a rule does with tensors.</summary>
internal enum TensorOperation
{
    /// <summary>Gives it another name.</summary>
    Rename,
    /// <summary>Leaves it out.</summary>
    Drop,
    /// <summary>Cuts it into equal parts along a dimension.</summary>
    Split,
    /// <summary>Joins several along a dimension.</summary>
    Concat,
    /// <summary>Cuts InternLM2's fused matrix, grouped by key head, into queries, keys and values.</summary>
    SplitGroupedQkv,
    /// <summary>The other way.</summary>
    MergeGroupedQkv,
}

/// <summary>A rule: names that it fits, names that they become, and what happens to the tensors.</summary>
/// <param name="From">One pattern, or several whose tensors are joined.</param>
/// <param name="To">The new names; none to drop, several to cut.</param>
/// <param name="Operation">What happens.</param>
/// <param name="Dimension">Along which dimension, for <see cref="TensorOperation.Split"/> and <see cref="TensorOperation.Concat"/>.</param>
internal sealed record RenamingRule(IReadOnlyList<NamePattern> From, IReadOnlyList<NamePattern> To, TensorOperation Operation, int Dimension)
{
    public override string ToString() => $"{string.Join(" + ", From)} → {(To.Count == 0 ? "nothing" : string.Join(" + ", To))}";
}
