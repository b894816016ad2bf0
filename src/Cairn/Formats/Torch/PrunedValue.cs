namespace Cairn.Formats.Torch;

/// <summary>Stands in the place of a value that was taken out, because a walk over it would be too deep or too long.</summary>
/// <param name="what">What stood there, for people.</param>
internal sealed class PrunedValue(string what) : TorchValue
{
    public string What { get; } = what;

    public override string ToString() => What;
}
