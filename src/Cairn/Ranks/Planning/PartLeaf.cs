using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Cairn.State;

namespace Cairn.Ranks.Planning;

/// <summary>
/// Something of a part that one rank saves for all that hold it: a shard of a tensor, or a value. Equal keys mean equal content.
/// </summary>
/// <param name="Path">The keys and indexes on the way to it, joined as in the part's file.</param>
/// <param name="Tensor">The tensor; <see langword="null"/> for a value, and for a tie to a tensor that has another name as well.</param>
/// <param name="TieOf">For a tie, the index of the leaf that is the tensor; otherwise -1.</param>
internal readonly record struct PartLeaf(string Path, StateTensor? Tensor, int TieOf)
{
    /// <summary>Bytes that it adds to the file of the rank that saves it.</summary>
    public long Bytes => Tensor?.ByteLength ?? 0;

    /// <summary>What it is, as a hash: part, path, type, global shape and extent.</summary>
    public UInt128 Key(string part)
    {
        var hash = new XxHash128();
        Append(hash, part);
        Append(hash, Path);
        if (Tensor is not null)
        {
            Append(hash, Tensor.Type.ToString());
            ShardExtent? extent = (Tensor as ShardTensor)?.Extent;
            // A shard that is all of its tensor is the same as the tensor.
            Append(hash, extent?.GlobalShape ?? Tensor.Shape);
            if (extent is { IsWhole: false })
            {
                Append(hash, extent.Box.Offset);
                Append(hash, extent.Box.Shape);
                Append(hash, [extent.IsFlat ? 1 : 0, extent.Start, extent.Count]);
            }
        }
        return hash.GetCurrentHashAsUInt128();
    }

    private static void Append(XxHash128 hash, string text)
    {
        hash.Append(Encoding.UTF8.GetBytes(text));
        hash.Append([(byte)0]);
    }

    private static void Append(XxHash128 hash, IReadOnlyList<long> numbers)
    {
        Span<byte> bytes = stackalloc byte[8];
        for (int i = -1; i < numbers.Count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, i < 0 ? numbers.Count : numbers[i]);
            hash.Append(bytes);
        }
    }
}
