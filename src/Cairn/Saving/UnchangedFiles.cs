using Cairn.Formats;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Stores;

namespace Cairn.Saving;

/// <summary>A planned file that has the bytes of a file of the copy before.</summary>
/// <param name="Former">That file.</param>
/// <param name="NonFiniteTensor">The first of its tensors with NaN or infinity, if it was looked for.</param>
internal sealed record UnchangedFile(FormerFile Former, string? NonFiniteTensor);

/// <summary>Finds the files of a save that have the bytes of the copy before, by their hashes. Of one that has others, as a rule only the first chunk is looked at.</summary>
internal sealed class UnchangedFiles
{
    private const int MostThreads = 4;

    private readonly Comparison[] _files;
    private readonly (Comparison File, int Chunk)[] _chunks;
    private int _next = -1;

    private UnchangedFiles(IEnumerable<Comparison> files)
    {
        _files = [.. files];
        // The first of each file before all others: where files differ, they mostly do there.
        _chunks = [.. _files.SelectMany(static file => Enumerable.Range(0, file.Chunks), static (file, chunk) => (file, chunk)).OrderBy(static one => one.chunk > 0)];
    }

    /// <summary>Finds them.</summary>
    /// <param name="planned">The files of the save.</param>
    /// <param name="former">The copy before.</param>
    /// <param name="progressed">Called after each block; by several threads at once.</param>
    /// <param name="cancellationToken">Gives up between two blocks.</param>
    /// <exception cref="CheckpointException">A tensor comes from a file that could not be read.</exception>
    public static IReadOnlyDictionary<string, UnchangedFile> Find(IReadOnlyList<PlannedFile> planned, FormerFiles former, Action progressed, CancellationToken cancellationToken)
    {
        var unchanged = new Dictionary<string, UnchangedFile>(StringComparer.Ordinal);
        var unknown = new List<Comparison>();
        foreach (PlannedFile file in planned)
        {
            if (former.Find(file) is not { } known)
                continue;
            // What another copy's marker vouches for need not be read.
            if (file.Content is not StoredContent stored)
                unknown.Add(new Comparison(file, known, progressed, cancellationToken));
            else if (stored.Hashes.Equals(known.File.Hashes))
                unchanged.Add(file.Name, new UnchangedFile(known, null));
        }
        var search = new UnchangedFiles(unknown);
        if (unknown.Count > 0)
            WorkCrew.Run(Math.Min(search._chunks.Length, MostThreads), WriterThread.Name, search.CompareNext);
        foreach (Comparison same in search._files.Where(static file => file.IsSame))
            unchanged.Add(same.Name, same.Result);
        return unchanged;
    }

    private bool CompareNext()
    {
        int next = Interlocked.Increment(ref _next);
        if (next >= _chunks.Length)
            return false;
        _chunks[next].File.Compare(_chunks[next].Chunk);
        return true;
    }

    private sealed class Comparison(PlannedFile planned, FormerFile former, Action progressed, CancellationToken cancellationToken)
    {
        private readonly Lock _gate = new();
        private volatile bool _differs;
        private (int Chunk, string Tensor)? _nonFinite;

        public string Name => planned.Name;
        public int Chunks => former.File.Hashes.Count;
        public bool IsSame => !_differs;
        public UnchangedFile Result => new(former, _nonFinite?.Tensor);

        public void Compare(int chunk)
        {
            if (_differs)
                return;
            var marked = new MarkedChunk(former.File, chunk);
            UInt128 hash = ChunkPass.Run((IRangedContent)planned.Content, marked.Offset, marked.End, wantsPages: false, planned.LooksForNonFinite ? tensor => Note(chunk, tensor) : null, (_, _) =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                progressed();
            });
            if (hash != former.File.Hashes[chunk])
                _differs = true;
        }

        // The first in the file, whichever thread finds one first.
        private void Note(int chunk, string tensor)
        {
            lock (_gate)
            {
                if (_nonFinite is not { } found || chunk < found.Chunk)
                    _nonFinite = (chunk, tensor);
            }
        }
    }
}
