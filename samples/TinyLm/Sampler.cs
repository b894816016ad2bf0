namespace TinyLm;

/// <summary>Stand-in until <c>Cairn.TorchSharp.ResumableSampler</c> arrives; delete it then.</summary>
public sealed class Sampler(int count, int seed)
{
    long[]? _order;

    /// <summary>Times that all indices have been drawn.</summary>
    public long Epoch { get; private set; }

    /// <summary>Indices drawn in this epoch.</summary>
    public int Position { get; private set; }

    /// <summary>Draws the next indices; an epoch that ends inside a batch is followed by the next one.</summary>
    public long[] NextBatch(int size)
    {
        var batch = new long[size];
        for (var i = 0; i < size; i++)
        {
            if (Position == count)
            {
                (Epoch, Position, _order) = (Epoch + 1, 0, null);
            }
            _order ??= Shuffled();
            batch[i] = _order[Position++];
        }
        return batch;
    }

    long[] Shuffled()
    {
        var order = new long[count];
        for (var i = 0; i < count; i++)
        {
            order[i] = i;
        }
        new Random(unchecked(seed * 1_000_003 + (int)Epoch)).Shuffle(order);
        return order;
    }
}
