using System.Runtime.InteropServices;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// Looks over what a pickle made before anybody walks it. Values may be shared, so a small pickle can stand for a tree of any size, or of any
/// depth, or for one that contains itself. This is the walk of a consumer that knows nothing of sharing, and ends where it would be too long. What is too much is an
/// error, or taken out by <see cref="ValuePruning"/> where opaque values are allowed.
/// </summary>
internal static class ValueGraph
{
    /// <summary>Deepest nesting that is read. Python's own pickler ends near it.</summary>
    public const int MaxDepth = 512;
    /// <summary>Values that a walk may meet: this many, and <see cref="MaxWeightPerByte"/> for each byte of the pickle.</summary>
    public const long MaxWeight = 1 << 18;
    public const long MaxWeightPerByte = 16;
    private const int FirstDepth = 16;
    // A long text counts for as many values.
    private const int BytesPerWeight = 16;

    [StructLayout(LayoutKind.Auto)]
    private record struct Level(TorchValue Value, int Next);

    public static void Check(TorchValue root, PickleContext context, long pickleLength)
    {
        long most = MaxWeight + (MaxWeightPerByte * pickleLength);
        if (FaultOf(root, context, most) is { } fault && !(context.Options.AllowOpaque && new ValuePruning(context, most, 2 * pickleLength).Prune(root)))
            throw fault;
    }

    private static CorruptTorchFileException? FaultOf(TorchValue root, PickleContext context, long most)
    {
        long left = most;
        // Files within the pickle are looked over one by one, and most are flat.
        var path = new Level[FirstDepth];
        int depth = 0;
        HashSet<TorchObject>? objects = null;
        if (root is TorchObject { IsOpaque: true } first)
            objects = [first];
        path[0] = new Level(root, 0);
        while (depth >= 0)
        {
            ref Level level = ref path[depth];
            if (level.Next == level.Value.ChildCount)
            {
                if (level.Value is TorchObject { IsOpaque: true } done)
                    objects!.Remove(done);
                depth--;
                continue;
            }
            TorchValue child = level.Value.ChildAt(level.Next);
            // A tuple may have been meant as arguments, where storages stay storages; it was not.
            if (child is StorageReference storage && level.Value is TorchList tuple)
                tuple.Replace(level.Next, child = storage.AsTensor(context));
            // Programs' own objects know each other: a child its parent. Where one comes again within itself, its class stands alone.
            if (child is TorchObject { IsOpaque: true } opaque && !(objects ??= []).Add(opaque))
            {
                child = new TorchObject(opaque.Type, new TorchList(TorchListKind.Tuple), isOpaque: true);
                if (!level.Value.TryReplace(level.Next, child))
                    return context.Bad(TorchFault.Cycle, "an object is a key of what it holds", "a tree", PickleContext.Describe(opaque));
            }
            level.Next++;
            left -= Weight(child);
            if (left < 0 && !IsOnPath(child, path, depth))
                return context.Bad(TorchFault.TooLarge, "values that are shared again and again stand for far more than the file holds", $"at most {most} values", "more");
            if (child.ChildCount == 0)
                continue;
            if (++depth == MaxDepth || left < 0)
            {
                return IsOnPath(child, path, depth - 1) ? context.Bad(TorchFault.Cycle, "a value contains itself", "a tree", PickleContext.Describe(child))
                    : context.Bad(TorchFault.TooDeep, "the values are nested too deeply", $"at most {MaxDepth} levels", "more");
            }
            if (depth == path.Length)
                Array.Resize(ref path, Math.Min(MaxDepth, depth * 2));
            path[depth] = new Level(child, 0);
        }
        return null;
    }

    private static bool IsOnPath(TorchValue value, Level[] path, int depth)
    {
        foreach (Level level in path.AsSpan(0, depth + 1))
        {
            if (ReferenceEquals(level.Value, value))
                return true;
        }
        return false;
    }

    /// <summary>For how many values one counts, without those that it is made of.</summary>
    public static long Weight(TorchValue value) => value switch
    {
        TorchScalar { Value: string text } => 1 + (text.Length / BytesPerWeight),
        TorchScalar { Value: byte[] bytes } => 1 + (bytes.Length / BytesPerWeight),
        _ => 1,
    };
}
