namespace Cairn.Cli.Verification;

/// <summary>A fault of a copy.</summary>
/// <param name="File">The file at fault, relative to the copy; <see langword="null"/> when no one file is.</param>
/// <param name="Reason">What is wrong.</param>
internal sealed record CopyFault(string? File, string Reason)
{
    public override string ToString() => File is null ? Reason : $"{File}: {Reason}";
}

/// <summary>What was found about a copy.</summary>
/// <param name="Faults">What is wrong, by file; empty when nothing is.</param>
/// <param name="Tensors">Tensors whose every element was seen to have one owner.</param>
/// <param name="Checked">What was checked: <c>sizes</c>, <c>hashes</c>, <c>checksums</c>, <c>format</c>, <c>ownership</c>, <c>readable</c>.</param>
/// <param name="Unchecked">What could not be, each with the reason.</param>
internal sealed record CopyCheck(IReadOnlyList<CopyFault> Faults, int Tensors, IReadOnlyList<string> Checked, IReadOnlyList<string> Unchecked)
{
    public bool IsGood => Faults.Count == 0;
}
