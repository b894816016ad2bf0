using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A file of the copy before.</summary>
/// <param name="File">What that copy's marker says of it.</param>
/// <param name="Identity">The file itself, as it was when its bytes were known; <see langword="null"/> where a store has no such thing.</param>
internal sealed record FormerFile(MarkedFile File, FileIdentity? Identity);

/// <summary>
/// What this rank wrote of its last copy in one place, or read to its end at the start: files whose bytes are known to be good there. A file of the next copy that has the same bytes is that file once more, instead of
/// being written again. Only the copy before is asked, which is the newest and so the last that anything removes.
/// </summary>
internal sealed class FormerFiles
{
    /// <summary>What is shorter is as quickly written, in bytes.</summary>
    public const long LeastBytes = SharedFiles.LeastBytes;

    private readonly Dictionary<string, FormerFile> _files = new(StringComparer.Ordinal);

    /// <summary>Whether files can be shared there, as far as it is known.</summary>
    public bool IsSupported { get; private set; } = true;

    /// <summary>The copy's folder.</summary>
    public string Folder { get; private set; } = "";

    /// <summary>The file that may be the same as a planned one; <see langword="null"/> when there is none of its name and length.</summary>
    public FormerFile? Find(PlannedFile planned) =>
        IsSupported && planned is { Length: >= LeastBytes, Content: IRangedContent } && _files.TryGetValue(planned.Name, out FormerFile? former) && former.File.Length == planned.Length ? former : null;

    /// <summary>Remembers a copy in the place of the one before.</summary>
    /// <param name="folder">Where its files stand now.</param>
    /// <param name="files">This rank's files.</param>
    public void Remember(string folder, IEnumerable<FormerFile> files)
    {
        Folder = folder;
        _files.Clear();
        foreach (FormerFile file in files)
            _files[file.File.Name] = file;
    }

    /// <summary>Remembers a copy that was read to its end.</summary>
    /// <param name="target">The place that it stands in.</param>
    /// <param name="folder">The folder of its files.</param>
    /// <param name="files">Those that this rank may write.</param>
    public void Remember(ICopyTarget target, string folder, IEnumerable<MarkedFile> files) =>
        Remember(folder, files.Where(static file => file.Length >= LeastBytes).Select(file => new FormerFile(file, target.IdentityOf($"{folder}/{file.Name}"))));

    /// <summary>No file can be shared there.</summary>
    public void NotSupported() => IsSupported = false;
}
