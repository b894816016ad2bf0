namespace Cairn.Cli.Verification;

/// <summary>What was found about a copy.</summary>
/// <param name="File">The file at fault, relative to the copy; <see langword="null"/> when no one file is, or nothing is wrong.</param>
/// <param name="Reason">What is wrong; <see langword="null"/> when nothing is.</param>
/// <param name="Tensors">Tensors whose every element was seen to have one owner.</param>
/// <param name="Checked">What was checked: <c>sizes</c>, <c>hashes</c>, <c>checksums</c>, <c>format</c>, <c>ownership</c>, <c>readable</c>.</param>
/// <param name="Unchecked">What could not be, each with the reason.</param>
internal sealed record CopyCheck(string? File, string? Reason, int Tensors, IReadOnlyList<string> Checked, IReadOnlyList<string> Unchecked)
{
    public bool IsGood => Reason is null;

    public static CopyCheck Bad(string? file, string reason, params IReadOnlyList<string> @checked) => new(file, reason, 0, @checked, []);
}
