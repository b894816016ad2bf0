using System.Buffers;
using System.IO.Hashing;
using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Stores;

namespace Cairn.Conversion;

/// <summary>Writes planned files one by one, those that an earlier conversion completed not again.</summary>
internal sealed class FileConversion(IFileSystem files, string folder, ConversionLedger ledger, Action<ConversionProgress>? progress, CancellationToken cancellationToken)
{
    /// <summary>What a file's name ends in until it is complete.</summary>
    public const string Partial = ".partial";
    private const int BlockBytes = 1 << 20;

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
            MarkedFile file = WriteOne(planned, bytes => progress?.Invoke(new ConversionProgress(ConversionPhase.Writing, planned.Name, done += bytes, total)));
            ledger.Add(file);
            marked.Add(file);
        }
        Files = marked;
        return this;
    }

    private MarkedFile WriteOne(PlannedFile planned, Action<int> wrote)
    {
        string path = In(planned.Name), beside = path + Partial;
        var hash = new XxHash128();
        long length = 0;
        using (IWritableFile file = files.OpenWrite(beside, planned.Length))
        {
            planned.WriteTo((bytes, _, _) =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                hash.Append(bytes);
                file.Write(bytes);
                length += bytes.Length;
                wrote(bytes.Length);
            });
            if (length != planned.Length)
                throw new InvalidOperationException($"{planned.Name} was planned with {planned.Length} bytes and has {length}.");
            file.Sync();
        }
        files.Move(beside, path);
        files.SyncFolder(folder);
        return new MarkedFile(planned.Name, length, Convert.ToHexStringLower(hash.GetCurrentHash()));
    }

    private bool IsAsWritten(MarkedFile marked)
    {
        string path = In(marked.Name);
        if (!files.FileExists(path))
            return false;
        using IReadableFile file = files.OpenRead(path);
        if (file.Length != marked.Length)
            return false;
        var hash = new XxHash128();
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            for (long offset = 0; offset < file.Length;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int read = file.Read(offset, block.AsSpan(0, (int)Math.Min(BlockBytes, file.Length - offset)));
                if (read <= 0)
                    return false;
                hash.Append(block.AsSpan(0, read));
                offset += read;
                progress?.Invoke(new ConversionProgress(ConversionPhase.Checking, marked.Name, offset, file.Length));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash()) == marked.Hash;
    }

    private string In(string name) => folder.Length == 0 ? name : $"{folder}/{name}";
}
