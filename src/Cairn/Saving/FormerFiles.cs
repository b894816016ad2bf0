using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A file of the copy before.</summary>
/// <param name="File">What that copy's marker says of it.</param>
/// <param name="Identity">The file itself, as it was before its bytes were written or read; <see langword="null"/> where a store has no such thing.</param>
/// <param name="IsDurable">Whether this process made its bytes durable. Those of a copy that was found may have come there by any other program.</param>
internal sealed record FormerFile(MarkedFile File, FileIdentity? Identity, bool IsDurable);

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

    /// <summary>A file is not what it was any more: the next copy writes it anew.</summary>
    public void Forget(string name) => _files.Remove(name);

    /// <summary>No file can be shared there.</summary>
    public void NotSupported() => IsSupported = false;
}
