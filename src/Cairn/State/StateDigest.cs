using System.Globalization;
using System.IO.Hashing;
using System.Text;

namespace Cairn.State;

/// <summary>One hash over whole parts of the state: two runs whose digests are equal have the same state to the bit.</summary>
public static class StateDigest
{
    private const int BlockBytes = 1 << 20;

    /// <summary>XXH3-128 over names, types, shapes and bytes of all entries, in order; 32 hexadecimal digits.</summary>
    public static string Of(IEnumerable<IStatePart> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        var hash = new XxHash128();
        byte[] block = new byte[BlockBytes];
        foreach (IStatePart part in parts)
        {
            Add(hash, part.Name);
            Add(hash, part.Capture(), block);
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>XXH3-128 over names, types, shapes and bytes of one tree, in order; 32 hexadecimal digits.</summary>
    public static string Of(StateMap state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var hash = new XxHash128();
        Add(hash, state, new byte[BlockBytes]);
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    private static void Add(XxHash128 hash, StateNode node, byte[] block)
    {
        switch (node)
        {
            case StateMap map:
                Add(hash, $"map {map.Count}");
                foreach ((string key, StateNode value) in map)
                {
                    Add(hash, key);
                    Add(hash, value, block);
                }
                break;
            case StateList list:
                Add(hash, $"list {list.Count}");
                foreach (StateNode item in list)
                    Add(hash, item, block);
                break;
            case StateTensor tensor:
                Add(hash, tensor.ToString());
                for (long offset = 0; offset < tensor.ByteLength; offset += block.Length)
                {
                    Span<byte> bytes = block.AsSpan(0, (int)Math.Min(block.Length, tensor.ByteLength - offset));
                    tensor.CopyTo(offset, bytes);
                    hash.Append(bytes);
                }
                break;
            case StateScalar { Value: double number }:
                Add(hash, $"double {BitConverter.DoubleToInt64Bits(double.IsNaN(number) ? double.NaN : number):x16}");
                break;
            case StateScalar scalar:
                Add(hash, string.Create(CultureInfo.InvariantCulture, $"{scalar.Value?.GetType().Name} {scalar.Value}"));
                break;
        }
    }

    private static void Add(XxHash128 hash, string text)
    {
        hash.Append(Encoding.UTF8.GetBytes(text));
        hash.Append([(byte)0]);
    }
}
