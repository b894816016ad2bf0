using System.Runtime.InteropServices;

namespace Cairn.Policies;

/// <summary>A file that several copies have, and that is there once.</summary>
/// <param name="File">What tells it from others.</param>
/// <param name="Bytes">Its bytes.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SharedBytes(UInt128 File, long Bytes);

/// <summary>The bytes that some copies take together: a file that they share counts once. Pure.</summary>
internal sealed class DistinctBytes
{
    private readonly Dictionary<UInt128, int> _holders = [];

    /// <summary>Bytes of all of them.</summary>
    public Int128 Total { get; private set; }

    /// <summary>The bytes that a copy would add.</summary>
    /// <param name="bytes">Bytes of all its files.</param>
    /// <param name="shared">Those of them that others may have.</param>
    public Int128 Added(long bytes, IReadOnlyList<SharedBytes> shared) => bytes - shared.Where(file => _holders.ContainsKey(file.File)).Aggregate(Int128.Zero, static (sum, file) => sum + file.Bytes);

    /// <summary>Adds a copy.</summary>
    /// <inheritdoc cref="Added"/>
    public void Add(long bytes, IReadOnlyList<SharedBytes> shared)
    {
        Total += bytes;
        foreach (SharedBytes file in shared)
        {
            if (++CollectionsMarshal.GetValueRefOrAddDefault(_holders, file.File, out _) > 1)
                Total -= file.Bytes;
        }
    }

    /// <summary>Takes a copy away that was added. Returns the bytes that come free.</summary>
    /// <inheritdoc cref="Added"/>
    public Int128 Remove(long bytes, IReadOnlyList<SharedBytes> shared)
    {
        Int128 before = Total;
        Total -= bytes;
        foreach (SharedBytes file in shared)
        {
            if (--CollectionsMarshal.GetValueRefOrNullRef(_holders, file.File) > 0)
                Total += file.Bytes;
            else
                _holders.Remove(file.File);
        }
        return before - Total;
    }
}
