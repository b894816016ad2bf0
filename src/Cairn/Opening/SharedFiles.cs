using System.Collections.Concurrent;
using Cairn.Checkpoints;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>Which files of some copies are one file of the disk under several names. Only files for which their markers give the same bytes are looked at, so that copies that share nothing cost nothing.</summary>
internal sealed class SharedFiles
{
    /// <summary>What is shorter is never shared, in bytes.</summary>
    public const long LeastBytes = 4096;

    private readonly Dictionary<CatalogEntry, Dictionary<string, SharedBytes>> _files = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<UInt128, List<CatalogEntry>> _holders = [];
    // By the file and the bytes that it should have: a wrong link makes one file two of these.
    private readonly ConcurrentDictionary<(UInt128 File, ChunkHashes Hashes), string?> _read = [];

    /// <summary>Nothing is shared, as far as anybody has looked.</summary>
    public static SharedFiles None { get; } = new();

    /// <summary>Looks for them.</summary>
    /// <param name="copies">The copies; those that are not complete count as well, as far as their files are there.</param>
    public static SharedFiles Among(IEnumerable<CatalogEntry> copies)
    {
        var found = new SharedFiles();
        var alike = copies.Select(copy => (Copy: copy, Marker: copy.Marker ?? copy.Written)).Where(static copy => copy.Marker is { IsDerived: false })
            .SelectMany(copy => copy.Marker!.Files.Where(static file => file.Length >= LeastBytes), static (copy, file) => (copy.Copy, copy.Marker, File: file))
            .GroupBy(static one => (one.File.Length, one.File.Hashes));
        foreach (var files in alike.Where(static group => group.Skip(1).Any()))
        {
            foreach (var same in files.Where(static one => one.Copy.Files is IFileSystem).GroupBy(static one => ((IFileSystem)one.Copy.Files).Identify($"{one.Marker!.FilesFolder(one.Copy.Folder)}/{one.File.Name}")))
            {
                if (same.Key is { } identity && same.Skip(1).Any())
                    found.Add(new SharedBytes(new UInt128(identity.Device, identity.Inode), files.Key.Length), same.Select(static one => (one.Copy, one.File.Name)));
            }
        }
        return found;
    }

    /// <summary>What a copy has in common with others.</summary>
    public IReadOnlyList<SharedBytes> Of(CatalogEntry? copy) => copy is not null && _files.TryGetValue(copy, out Dictionary<string, SharedBytes>? files) ? [.. files.Values.Distinct()] : [];

    /// <summary>The other copies that have a file of a copy.</summary>
    public IReadOnlyList<CatalogEntry> Others(CatalogEntry copy, string file) => Find(copy, file) is { } shared ? [.. _holders[shared.File].Where(holder => holder != copy)] : [];

    /// <summary>Whether a file was read to its end already, under this or another name, and what was found then.</summary>
    public bool IsKnown(CatalogEntry copy, MarkedFile file, out string? fault)
    {
        fault = null;
        return Find(copy, file.Name) is { } shared && _read.TryGetValue((shared.File, file.Hashes), out fault);
    }

    /// <summary>Remembers what was found in a file that was read to its end.</summary>
    public void Note(CatalogEntry copy, MarkedFile file, string? fault)
    {
        if (Find(copy, file.Name) is { } shared)
            _read.TryAdd((shared.File, file.Hashes), fault);
    }

    private SharedBytes? Find(CatalogEntry copy, string file) => _files.TryGetValue(copy, out Dictionary<string, SharedBytes>? files) && files.TryGetValue(file, out SharedBytes shared) ? shared : null;

    private void Add(SharedBytes file, IEnumerable<(CatalogEntry Copy, string Name)> names)
    {
        if (!_holders.TryGetValue(file.File, out List<CatalogEntry>? holders))
            _holders.Add(file.File, holders = []);
        foreach ((CatalogEntry copy, string name) in names)
        {
            if (!_files.TryGetValue(copy, out Dictionary<string, SharedBytes>? files))
                _files.Add(copy, files = new(StringComparer.Ordinal));
            files.Add(name, file);
            if (!holders.Contains(copy))
                holders.Add(copy);
        }
    }
}
