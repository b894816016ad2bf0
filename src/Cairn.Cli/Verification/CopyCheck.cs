namespace Cairn.Cli.Verification;

/// <summary>A fault of a copy.</summary>
/// <param name="File">The file at fault, relative to the copy; <see langword="null"/> when no one file is.</param>
/// <param name="Reason">What is wrong.</param>
internal sealed record CopyFault(string? File, string Reason)
{
    private const int MostNamed = 5;

    /// <summary>Whether nothing is known to be damaged: the file could not be read, for want of permission, say, or is of a kind that is not read.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsUnreadable { get; init; }

    /// <summary>The other copies whose file it is too, so that they are damaged as well; absent for none.</summary>
    public IReadOnlyList<string>? SharedWith { get; init; }

    public override string ToString() => (File is null ? Reason : $"{File}: {Reason}") + (SharedWith is null ? "" : $"; it is the same file in {string.Join(", ", SharedWith.Take(MostNamed))}{(SharedWith.Count > MostNamed ? $" and {SharedWith.Count - MostNamed} more" : "")}");
}

/// <summary>What was found about a copy.</summary>
/// <param name="Faults">What is wrong, by file; empty when nothing is.</param>
/// <param name="Tensors">Tensors whose every element was seen to have one owner.</param>
/// <param name="Checked">What was checked: <c>sizes</c>, <c>hashes</c>, <c>checksums</c>, <c>format</c>, <c>ownership</c>, <c>readable</c>.</param>
/// <param name="Unchecked">What could not be, each with the reason.</param>
internal sealed record CopyCheck(IReadOnlyList<CopyFault> Faults, int Tensors, IReadOnlyList<string> Checked, IReadOnlyList<string> Unchecked)
{
    /// <summary>Values that are whole, as far as their file tells, and that Cairn does not read: objects of a program's own, for example.</summary>
    public IReadOnlyList<string> Unread { get; init; } = [];

    public bool IsGood => Faults.Count == 0;

    /// <summary>Whether the bytes of a file are known to be wrong.</summary>
    public bool IsDamaged => Faults.Any(fault => !fault.IsUnreadable);

    /// <summary>One of <c>intact</c>, <c>damaged</c> and <c>unreadable</c>.</summary>
    public string Verdict => IsGood ? Intact : IsDamaged ? Damaged : Unreadable;

    public const string Intact = "intact", Damaged = "damaged", Unreadable = "unreadable";
}
