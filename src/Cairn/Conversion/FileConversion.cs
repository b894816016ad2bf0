using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Conversion;

/// <summary>Writes planned files one by one, those that an earlier conversion completed not again.</summary>
internal sealed class FileConversion(IFileSystem files, string folder, ConversionLedger ledger, Action<ConversionProgress>? progress, CancellationToken cancellationToken)
{
    /// <summary>What a file's name ends in until it is complete.</summary>
    public const string Partial = ".partial";

    /// <summary>Bytes of files that were complete already.</summary>
    public long BytesKept { get; private set; }
    /// <summary>All files, with their hashes.</summary>
    public IReadOnlyList<MarkedFile> Files { get; private set; } = [];

    /// <summary>Writes them, in their order.</summary>
    public FileConversion Write(IReadOnlyList<PlannedFile> plan)
    {
        long total = plan.Sum(file => file.Length), done = 0;
        var marked = new List<MarkedFile>(plan.Count);
        foreach (PlannedFile planned in plan)
        {
            MarkedFile? kept = ledger.Done.GetValueOrDefault(planned.Name);
            if (kept is not null && kept.Length == planned.Length && IsAsWritten(kept))
            {
                BytesKept += kept.Length;
                done += kept.Length;
                marked.Add(kept);
                continue;
            }
            long before = done;
            MarkedFile file = WriteOne(planned, written => Report(ConversionPhase.Writing, planned.Name, before + written, total));
            done += planned.Length;
            ledger.Add(file);
            marked.Add(file);
        }
        Files = marked;
        return this;
    }

    private MarkedFile WriteOne(PlannedFile planned, Action<long> wrote)
    {
        string path = In(planned.Name), beside = path + Partial;
        WrittenFile written = FilesWriter.Write([new FileToWrite(planned.Name, planned.Content, () => files.OpenWrite(beside, planned.Length))], Summed(wrote), cancellationToken)[0];
        files.Move(beside, path);
        files.SyncFolder(folder);
        return new MarkedFile(planned.Name, planned.Length, written.Hashes);
    }

    private bool IsAsWritten(MarkedFile marked)
    {
        string path = In(marked.Name);
        if (!files.FileExists(path))
            return false;
        using IReadableFile file = files.OpenRead(path);
        if (file.Length != marked.Length)
            return false;
        Action<int> read = Summed(bytes => Report(ConversionPhase.Checking, marked.Name, bytes, marked.Length));
        return MarkedChunk.Of(marked).All(chunk => ChunkCheck.FaultOf(chunk, file, read, cancellationToken) is null);
    }

    private void Report(ConversionPhase phase, string item, long done, long total) => progress?.Invoke(new ConversionProgress(phase, item, done, total));

    // Blocks end on several threads; whoever hears of it hears of one at a time, and of a sum that grows.
    private static Action<int> Summed(Action<long> report)
    {
        var gate = new Lock();
        long sum = 0;
        return bytes =>
        {
            lock (gate)
                report(sum += bytes);
        };
    }

    private string In(string name) => folder.Length == 0 ? name : $"{folder}/{name}";
}
