namespace Cairn.Cli.Verbs;

/// <summary>An entry in <c>cairn diff</c> that is not the same on both sides.</summary>
/// <param name="Path">Its path in the part.</param>
/// <param name="Change">added, removed, reshaped, retyped or changed.</param>
/// <param name="Left">Type and shape of a tensor, or the value, on the left side.</param>
/// <param name="Right">The same on the right side.</param>
internal sealed record DiffEntry(string Path, string Change, string? Left, string? Right)
{
    public long? Values { get; init; }
    public long? Different { get; init; }
    public long? OneNan { get; init; }
    public long? BothNan { get; init; }
    public double? MaxAbsolute { get; init; }
    public double? MaxRelative { get; init; }
    public double? RelativeNorm { get; init; }
    public double? Cosine { get; init; }
}

/// <summary>A part in <c>cairn diff</c>.</summary>
/// <param name="Name">The part.</param>
/// <param name="Change">same, added, removed or changed.</param>
/// <param name="Tensors">Tensors of both sides together, each path once.</param>
/// <param name="Scalars">Other values, likewise.</param>
/// <param name="Same">How many of all are the same.</param>
/// <param name="Bytes">Bytes of the tensors, on the side that has more.</param>
/// <param name="Entries">What is not the same.</param>
internal sealed record DiffPart(string Name, string Change, int Tensors, int Scalars, int Same, long Bytes, IReadOnlyList<DiffEntry> Entries);

/// <summary>The result of <c>cairn diff</c>.</summary>
internal sealed record DiffResult(string Left, string Right, bool Identical, double? Tolerance, IReadOnlyList<DiffPart> Parts);
