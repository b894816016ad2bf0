using System.Runtime.ExceptionServices;
using Cairn.Cli.Listing;
using Cairn.Commit;
using Cairn.Inspection;
using Cairn.Layouts;
using Cairn.Resume;
using Cairn.State;
using Cairn.Storage;

namespace Cairn.Cli.Verification;

/// <summary>Reads every byte of a copy and says whether it is good, as far as its format lets anybody know.</summary>
/// <param name="root">The folder that the copies are in.</param>
/// <param name="read">Hears of bytes that were read, from any thread.</param>
internal sealed class CopyVerifier(string root, Action<long> read)
{
    private const int FilesAtOnce = 8;

    private readonly LocalFileSystem _files = new(root);

    /// <summary>Verifies one copy.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public CopyCheck Verify(ListedCopy copy, CancellationToken cancellationToken)
    {
        if (copy.Fault is { } fault)
            return CopyCheck.Bad(null, fault);
        return copy.Entry is { Marker: { IsForeign: false } marker } entry ? OfCairn(entry, marker, cancellationToken) : OfOthers(copy, cancellationToken);
    }

    private CopyCheck OfCairn(CatalogEntry entry, Marker marker, CancellationToken cancellationToken)
    {
        string[] @checked = ["sizes", "hashes", "format", "ownership"];
        if (Verifier.Verify(new MeteredFileSystem(_files, read), entry, cancellationToken) is { } fault)
            return CopyCheck.Bad(Within(entry.Folder, fault.Path), fault.Reason, @checked[..2]);
        try
        {
            // Right bytes may still be no checkpoint: every part is put together, and so every element of every tensor finds its one owner.
            using LoadedCheckpoint loaded = CheckpointLayouts.Of(marker.Layout).Open(_files, entry.Folder, marker.Files.Select(file => file.Name));
            return new CopyCheck(null, null, LoadAll(loaded, cancellationToken), @checked, []);
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            return CopyCheck.Bad((e as CheckpointException)?.Path is { } path ? Within(entry.Folder, path) : null, e.Message, @checked);
        }
    }

    private CopyCheck OfOthers(ListedCopy copy, CancellationToken cancellationToken)
    {
        int tensors = 0;
        var contents = new FileContents(new MeteredFileSystem(_files, read));
        List<string> @checked = ["format"], @unchecked = [];
        try
        {
            if (Detect(copy.Name) is { } source)
            {
                using LoadedCheckpoint loaded = CheckpointReader.Open(source);
                tensors = LoadAll(loaded, cancellationToken);
                @checked.Add("ownership");
            }
            else
                @unchecked.Add("how its files belong together: no known layout has such names");
            if (copy.Layout == ForeignCopy.Dcp)
                contents.VerifyDistributed(copy.Name, cancellationToken);
            VerifyAll(contents, [.. FilesOf(copy).Where(file => copy.Layout != ForeignCopy.Dcp || !file.EndsWith(".distcp", StringComparison.Ordinal))], cancellationToken);
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            return CopyCheck.Bad((e as CheckpointException)?.Path is { } path ? Within(copy.Name, path) : null, e.Message, @checked);
        }
        if (contents.Checksums > 0)
            @checked.Add("checksums");
        return new CopyCheck(null, null, tensors, [.. @checked, "readable"], [.. @unchecked, .. contents.Unchecked]);
    }

    private static void VerifyAll(FileContents contents, string[] files, CancellationToken cancellationToken)
    {
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, FilesAtOnce), CancellationToken = cancellationToken };
        try
        {
            Parallel.ForEach(files, parallel, file => contents.Verify(file, cancellationToken));
        }
        catch (AggregateException e)
        {
            // Of several bad files the first by name is told, whichever thread came first.
            ExceptionDispatchInfo.Throw(e.InnerExceptions.OrderBy(inner => (inner as CheckpointException)?.Path, StringComparer.Ordinal).First());
        }
    }

    private CheckpointSource? Detect(string name)
    {
        try
        {
            return CheckpointReader.Detect(_files, name);
        }
        catch (CheckpointException e) when (e is not CorruptCheckpointException)
        {
            return null;
        }
    }

    private static int LoadAll(LoadedCheckpoint loaded, CancellationToken cancellationToken)
    {
        int tensors = 0;
        foreach (string part in loaded.Parts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            IReadOnlyList<int> ranks = loaded.RanksOf(part);
            if (ranks.Count == 0)
                tensors += Tensors(loaded.Load(part));
            foreach (int rank in ranks)
                tensors += Tensors(loaded.Load(part, rank));
        }
        return tensors;
    }

    private static int Tensors(StateMap state) => StateLeaves.Of(state).Count(leaf => leaf.Node is StateTensor);

    private IEnumerable<string> FilesOf(ListedCopy copy)
    {
        string full = Path.Join(root, copy.Name);
        if (File.Exists(full))
            return [copy.Name];
        return Directory.EnumerateFiles(full, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(root, file).Replace(Path.DirectorySeparatorChar, '/')).Order(StringComparer.Ordinal);
    }

    private string Within(string folder, string path)
    {
        string relative = path.StartsWith(root + "/", StringComparison.Ordinal) ? path[(root.Length + 1)..] : path;
        return relative.StartsWith(folder + "/", StringComparison.Ordinal) ? relative[(folder.Length + 1)..] : relative;
    }
}
