using System.Runtime.InteropServices;

namespace Cairn.Formats.Torch.Pickle;

/// <summary>
/// Looks over what a pickle made before anybody walks it. Values may be shared, so a small pickle can stand for a tree of any size, or of any
/// depth, or for one that contains itself.
/// </summary>
internal static class ValueGraph
{
    /// <summary>Deepest nesting that is read. Python's own pickler ends near it.</summary>
    public const int MaxDepth = 512;
    /// <summary>Values that a walk may meet: this many, and <see cref="MaxWeightPerByte"/> for each byte of the pickle.</summary>
    public const long MaxWeight = 1 << 18;
    public const long MaxWeightPerByte = 16;
    private const int BytesPerWeight = 16;

    private record struct Frame(TorchValue Value, int Next, long Weight, int Height);

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Measure(long Weight, int Height);

    public static void Check(TorchValue root, PickleContext context, long pickleLength)
    {
        long limit = MaxWeight + (MaxWeightPerByte * pickleLength);
        var done = new Dictionary<TorchValue, Measure>(ReferenceEqualityComparer.Instance);
        var path = new Stack<Frame>();
        path.Push(new Frame(root, 0, 1, 1));
        // A value that is being looked at has the height 0.
        done[root] = default;
        while (path.TryPop(out Frame frame))
        {
            if (frame.Next == frame.Value.ChildCount)
            {
                done[frame.Value] = new Measure(frame.Weight, frame.Height);
                if (path.TryPop(out Frame parent))
                    path.Push(Add(parent, new Measure(frame.Weight, frame.Height), limit, context));
                continue;
            }
            TorchValue child = frame.Value.ChildAt(frame.Next);
            // A tuple may have been meant as arguments, where storages stay storages; it was not.
            if (child is StorageReference storage && frame.Value is TorchList tuple)
                tuple.Replace(frame.Next, child = storage.AsTensor(context));
            frame.Next++;
            if (child.ChildCount == 0)
            {
                path.Push(Add(frame, new Measure(LeafWeight(child), 1), limit, context));
            }
            else if (!done.TryGetValue(child, out Measure measure))
            {
                if (path.Count + 2 > MaxDepth)
                    throw TooDeep(context);
                path.Push(frame);
                path.Push(new Frame(child, 0, 1, 1));
                done[child] = default;
            }
            else if (measure.Height == 0)
            {
                throw context.Bad(TorchFault.Cycle, "a value contains itself", "a tree", PickleContext.Describe(child));
            }
            else
            {
                path.Push(Add(frame, measure, limit, context));
            }
        }
    }

    private static Frame Add(Frame parent, Measure child, long limit, PickleContext context)
    {
        parent.Weight += child.Weight;
        parent.Height = Math.Max(parent.Height, child.Height + 1);
        if (parent.Height > MaxDepth)
            throw TooDeep(context);
        return parent.Weight <= limit ? parent
            : throw context.Bad(TorchFault.TooLarge, "values that are shared again and again stand for far more than the file holds", $"at most {limit} values", "more");
    }

    private static CorruptTorchFileException TooDeep(PickleContext context) =>
        context.Bad(TorchFault.TooDeep, "the values are nested too deeply", $"at most {MaxDepth} levels", "more");

    private static long LeafWeight(TorchValue value) => value switch
    {
        TorchScalar { Value: string text } => 1 + (text.Length / BytesPerWeight),
        TorchScalar { Value: byte[] bytes } => 1 + (bytes.Length / BytesPerWeight),
        _ => 1,
    };
}
