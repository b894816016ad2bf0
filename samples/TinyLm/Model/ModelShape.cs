namespace TinyLm.Model;

/// <summary>The sizes of an <see cref="InternLm2"/>. The defaults give about a million parameters.</summary>
public sealed record ModelShape
{
    /// <summary>Number of different tokens.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Longest sequence, in tokens; the rotary table has this many rows.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Width of the residual stream. Default 176.</summary>
    public int HiddenSize { get; init; } = 176;

    /// <summary>Number of decoder layers. Default 3.</summary>
    public int Layers { get; init; } = 3;

    /// <summary>Query heads. Default 4.</summary>
    public int Heads { get; init; } = 4;

    /// <summary>Key and value heads, each shared by <c>Heads / KeyValueHeads</c> query heads. Default 2.</summary>
    public int KeyValueHeads { get; init; } = 2;

    /// <summary>Width inside the feed-forward part. Default 512.</summary>
    public int FeedForwardSize { get; init; } = 512;

    /// <summary>Base of the rotary frequencies. Default 10,000.</summary>
    public double RotaryBase { get; init; } = 10_000;

    /// <summary>Share of the feed-forward part's output that is dropped while training. Default 0.02: little, but it makes the random state count.</summary>
    public double Dropout { get; init; } = 0.02;

    /// <summary>Whether <c>output</c> shares its weight with <c>tok_embeddings</c>. Default no, as InternLM2.</summary>
    public bool TiedHead { get; init; }

    /// <summary>Width of one head.</summary>
    public int HeadSize => HiddenSize / Heads;
}
