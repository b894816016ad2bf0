using System.Buffers;
using System.Globalization;
using Cairn.State;

namespace Cairn.Conversion;

/// <summary>Compares a state that was read back with the one that was written: names, values, ties, and every byte of every tensor.</summary>
internal sealed class ReadBackComparison(Action<string, int> progress, CancellationToken cancellationToken)
{
    private const int BlockBytes = 4 << 20;

    private readonly Dictionary<StateTensor, StateTensor> _seen = new(ReferenceEqualityComparer.Instance);

    /// <summary>Tensors that were compared.</summary>
    public int Tensors { get; private set; }

    /// <exception cref="ConversionMismatchException">They differ.</exception>
    public void Compare(string path, StateNode expected, StateNode actual)
    {
        switch (expected, actual)
        {
            case (StateMap map, StateMap other):
                foreach ((string key, StateNode node) in map)
                    Compare(Join(path, key), node, other.TryGetValue(key, out StateNode? found) ? found : throw Differs(Join(path, key), "it", "nothing"));
                if (other.Keys.FirstOrDefault(key => !map.ContainsKey(key)) is { } extra)
                    throw Differs(Join(path, extra), "nothing", "an entry");
                break;
            case (StateList list, StateList other):
                if (list.Count != other.Count)
                    throw Differs(path, $"{list.Count} items", $"{other.Count}");
                for (int i = 0; i < list.Count; i++)
                    Compare(Join(path, i.ToString(CultureInfo.InvariantCulture)), list[i], other[i]);
                break;
            case (StateScalar scalar, StateScalar other):
                if (!scalar.IsSame(other))
                    throw Differs(path, $"{scalar.Value ?? "null"}", $"{other.Value ?? "null"}");
                break;
            case (StateTensor tensor, StateTensor other):
                Compare(path, tensor, other);
                break;
            default:
                throw Differs(path, expected.GetType().Name, actual.GetType().Name);
        }
    }

    private void Compare(string path, StateTensor expected, StateTensor actual)
    {
        if (_seen.TryGetValue(expected, out StateTensor? before))
        {
            if (!ReferenceEquals(before, actual))
                throw Differs(path, "a tie", "a tensor of its own");
            return;
        }
        _seen.Add(expected, actual);
        if (expected.Type != actual.Type || !expected.Shape.SequenceEqual(actual.Shape))
            throw Differs(path, expected.ToString(), actual.ToString());
        byte[] one = ArrayPool<byte>.Shared.Rent(BlockBytes), two = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            for (long offset = 0; offset < expected.ByteLength; offset += BlockBytes)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int length = (int)Math.Min(BlockBytes, expected.ByteLength - offset);
                if (!expected.TryGetSpan(offset, length, out ReadOnlySpan<byte> should))
                {
                    expected.CopyTo(offset, one.AsSpan(0, length));
                    should = one.AsSpan(0, length);
                }
                actual.CopyTo(offset, two.AsSpan(0, length));
                int common = should.CommonPrefixLength(two.AsSpan(0, length));
                if (common < length)
                    throw Differs(path, "the same bytes", $"another at {offset + common}");
                progress(path, length);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(one);
            ArrayPool<byte>.Shared.Return(two);
        }
        Tensors++;
    }

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}/{key}";

    private static ConversionMismatchException Differs(string path, string expected, string found) => new(
        $"What was written is not what was converted: at '{path}' {expected} was expected and {found} found. Remove the destination and convert again; if it happens again, look for a fault of the disk or memory.")
    { Expected = expected, Found = found };
}
