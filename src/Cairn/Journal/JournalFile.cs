using System.Globalization;
using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Journal;

/// <summary>A run's journal as one file: in a folder it is one, in a store it stands in numbered segments, of which the last one grows.</summary>
internal sealed class JournalFile : IReadableFile
{
    private const int MostTries = 20;

    private readonly IFileSource _files;
    private readonly (string Path, long Start, long Length)[] _segments;

    private JournalFile(IFileSource files, (string, long, long)[] segments) => (_files, _segments) = (files, segments);

    /// <summary>Bytes that it had when it was opened.</summary>
    public long Length => _segments is [.., var last] ? last.Start + last.Length : 0;

    /// <summary>Looks which segments there are.</summary>
    /// <exception cref="FileNotFoundException">There is no journal.</exception>
    public static IReadableFile Open(IFileSource files)
    {
        if (files is not StoreFiles)
            return files.OpenRead(RunFolder.Journal);
        var segments = new List<(string, long, long)>();
        long start = 0;
        foreach ((int _, FileSystemEntry entry) in Numbered(files))
        {
            segments.Add(($"{RunFolder.Journal}/{entry.Name}", start, entry.Length));
            start += entry.Length;
        }
        return segments.Count > 0 ? new JournalFile(files, [.. segments]) : throw new FileNotFoundException($"There is no {RunFolder.Journal} in {files.Root}.");
    }

    /// <summary>Whether there is one.</summary>
    public static bool Exists(IFileSource files) => files is StoreFiles ? files.FolderExists(RunFolder.Journal) : files.FileExists(RunFolder.Journal);

    public int Read(long offset, Span<byte> destination)
    {
        int done = 0;
        foreach ((string path, long start, long length) in _segments)
        {
            long at = offset + done - start;
            if (at < 0 || at >= length || done == destination.Length)
                continue;
            int read = Read(path, at, destination.Slice(done, (int)Math.Min(destination.Length - done, length - at)));
            done += read;
            if (at + read < length)
                break;
        }
        return done;
    }

    public void Dispose()
    {
        // Each segment is open only while it is read.
    }

    // The run puts the last segment again with each line, and a store reads one version of an object: its beginning is the same in all.
    private int Read(string path, long at, Span<byte> destination)
    {
        for (int tries = 1; ; tries++)
        {
            using IReadableFile segment = _files.OpenRead(path);
            try
            {
                return segment.Read(at, destination);
            }
            catch (IOException) when (tries < MostTries && HasGrown(path, segment.Length))
            {
            }
        }
    }

    private bool HasGrown(string path, long length) => _files.List(RunFolder.Journal).Any(entry => path.EndsWith("/" + entry.Name, StringComparison.Ordinal) && entry.Length > length);

    private static IEnumerable<(int Number, FileSystemEntry Entry)> Numbered(IFileSource files) => files.List(RunFolder.Journal)
        .Select(entry => (int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0, entry))
        .Where(segment => segment is (> 0, { IsFolder: false })).OrderBy(segment => segment.Item1);
}
