using System.Runtime.InteropServices;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// Takes out of what a pickle made all that keeps a consumer from walking it: values that contain themselves, that lie too deep, or that are shared so often that they stand for more than
/// <paramref name="most"/> values. In their place stands a <see cref="PrunedValue"/>; what is beside them stays. Each value is walked once, however often it is shared.
/// </summary>
/// <param name="context">What the pickle is read in.</param>
/// <param name="most">Values that all of it may stand for.</param>
/// <param name="large">Values for which one that is not shared within itself cannot stand.</param>
internal sealed class ValuePruning(PickleContext context, long most, long large)
{
    private static readonly PrunedValue Deep = new($"a value that is nested deeper than {ValueGraph.MaxDepth} levels");
    private static readonly PrunedValue Cyclic = new("a value that contains itself");
    private static readonly PrunedValue Large = new("a value that is made of others again and again, so that it stands for far more than the file holds");
    // A value that is still being walked.
    private const int Open = -1;

    private readonly Dictionary<TorchValue, Size> _sizes = new(ReferenceEqualityComparer.Instance);
    private readonly Level[] _path = new Level[ValueGraph.MaxDepth];
    private int _depth = -1;

    [StructLayout(LayoutKind.Auto)]
    private record struct Level(TorchValue Value, int Next, int Height, long Weight, bool HasPruned, PrunedValue? Instead);

    /// <summary>What a walk of a value meets: levels, with its own, and values. Or what stands for it where it is.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Size(int Height, long Weight, PrunedValue? Instead);

    /// <summary>Prunes. Says whether anything is left: <see langword="false"/> when it is the root that cannot be walked.</summary>
    public bool Prune(TorchValue root)
    {
        Enter(root);
        while (true)
        {
            ref Level level = ref _path[_depth];
            // What cannot be changed is taken out whole, by what holds it.
            if (level.Instead is null && level.Next < level.Value.ChildCount)
            {
                Look(ref level, level.Value.ChildAt(level.Next++));
                continue;
            }
            if (level.Instead is null && level.Weight > most)
                Lighten(ref level);
            // A list of which nothing is left says no more than what stands for it.
            if (level.HasPruned && level.Instead is null && level.Value is TorchList list && list.All(static item => item is PrunedValue))
                level.Instead = (PrunedValue)list[0];
            var size = new Size(level.Height, level.Weight, level.Instead);
            _sizes[level.Value] = size;
            if (--_depth < 0)
                return size.Instead is null;
            Take(ref _path[_depth], size);
        }
    }

    private void Enter(TorchValue value)
    {
        _sizes[value] = new Size(Open, 0, null);
        _path[++_depth] = new Level(value, 0, 1, ValueGraph.Weight(value), false, null);
    }

    private void Look(ref Level level, TorchValue child)
    {
        if (child is StorageReference storage && level.Value is TorchList tuple)
            tuple.Replace(level.Next - 1, child = storage.AsTensor(context));
        if (child.ChildCount == 0)
            Take(ref level, new Size(1, ValueGraph.Weight(child), null));
        else if (_sizes.TryGetValue(child, out Size size))
            Take(ref level, size.Height == Open ? size with { Instead = Cyclic } : size);
        else if (_depth + 1 == _path.Length)
            Replace(ref level, Deep);
        else
            Enter(child);
    }

    // The child before the next one is known.
    private void Take(ref Level level, Size child)
    {
        if (child.Instead is { } instead)
            Replace(ref level, instead);
        else if (_depth + child.Height > _path.Length)
            Replace(ref level, Deep);
        else
            (level.Height, level.Weight) = (Math.Max(level.Height, child.Height + 1), level.Weight + child.Weight);
    }

    private static void Replace(ref Level level, PrunedValue instead)
    {
        TorchValue child = level.Value.ChildAt(level.Next - 1);
        // Programs' own objects know each other: a child its parent. Where one comes again within itself, its class stands alone.
        TorchValue put = child is TorchObject { IsOpaque: true } opaque && ReferenceEquals(instead, Cyclic) ? new TorchObject(opaque.Type, new TorchList(TorchListKind.Tuple), isOpaque: true) : instead;
        Put(ref level, level.Next - 1, put, instead);
    }

    private static void Put(ref Level level, int index, TorchValue put, PrunedValue instead)
    {
        if (!level.Value.TryReplace(index, put))
            level.Instead = instead;
        level.Weight++;
        level.HasPruned = true;
    }

    /// <summary>Takes out the children that stand for most, until the others are few enough.</summary>
    private void Lighten(ref Level level)
    {
        TorchValue value = level.Value;
        (int Index, long Weight)[] children = new (int, long)[value.ChildCount];
        for (int i = 0; i < children.Length; i++)
        {
            TorchValue child = value.ChildAt(i);
            children[i] = (i, _sizes.TryGetValue(child, out Size size) ? size.Weight : ValueGraph.Weight(child));
        }
        Array.Sort(children, static (one, other) => one.Weight.CompareTo(other.Weight));
        level.Weight = ValueGraph.Weight(value);
        foreach ((int index, long weight) in children)
        {
            // What stands in the place of one counts as one. A value that stands for more than the whole pickle has bytes is made of others again and again.
            if (weight <= large && level.Weight + weight + children.Length <= most)
                level.Weight += weight;
            else
                Put(ref level, index, Large, Large);
        }
    }
}
