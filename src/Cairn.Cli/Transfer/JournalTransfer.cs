using Cairn.Checkpoints;
using Cairn.Journal;
using Cairn.Stores;

namespace Cairn.Cli.Transfer;

/// <summary>
/// Brings a run's journal to where none is, or where the beginning of it is: then the lines that are missing are added. Another journal is left as it is.
/// </summary>
internal static class JournalTransfer
{
    public const string Absent = "absent", There = "there", Copied = "copied", Kept = "kept";

    // As much as a store puts into one segment.
    private const int BlockBytes = 256 << 10;

    /// <summary>What <see cref="Run"/> would do: nothing for <see cref="Absent"/> and <see cref="There"/>, and nothing for <see cref="Kept"/>, where another journal stands.</summary>
    public static string Plan(IFileSource from, IFileSource to)
    {
        if (!JournalFile.Exists(from))
            return Absent;
        using IReadableFile source = JournalFile.Open(from);
        if (!JournalFile.Exists(to))
            return Copied;
        using IReadableFile target = JournalFile.Open(to);
        return !AreSame(source, target, Math.Min(source.Length, target.Length)) ? Kept : WholeLines(source, target.Length) > target.Length ? Copied : There;
    }

    /// <summary>Does it. The target's lease is held.</summary>
    public static string Run(IFileSource from, IRunFiles to, CancellationToken cancellationToken)
    {
        string plan = Plan(from, to);
        if (plan != Copied)
            return plan;
        using IReadableFile source = JournalFile.Open(from);
        long offset = 0;
        if (JournalFile.Exists(to))
        {
            using IReadableFile target = JournalFile.Open(to);
            offset = target.Length;
        }
        byte[] block = new byte[BlockBytes];
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int read = source.Read(offset, block);
            int whole = read == block.Length && block.AsSpan(0, read).LastIndexOf((byte)'\n') < 0 ? read : block.AsSpan(0, read).LastIndexOf((byte)'\n') + 1;
            if (whole == 0)
                return plan;
            to.Append(RunFolder.Journal, block.AsSpan(0, whole), durable: true);
            offset += whole;
        }
    }

    // The end of the last line that is whole, as far as one block from here tells.
    private static long WholeLines(IReadableFile source, long from)
    {
        byte[] block = new byte[BlockBytes];
        int read = source.Read(from, block);
        return from + block.AsSpan(0, read).LastIndexOf((byte)'\n') + 1;
    }

    private static bool AreSame(IReadableFile one, IReadableFile other, long length)
    {
        byte[] first = new byte[BlockBytes], second = new byte[BlockBytes];
        for (long offset = 0; offset < length; offset += BlockBytes)
        {
            int count = (int)Math.Min(BlockBytes, length - offset);
            if (one.Read(offset, first.AsSpan(0, count)) != count || other.Read(offset, second.AsSpan(0, count)) != count || !first.AsSpan(0, count).SequenceEqual(second.AsSpan(0, count)))
                return false;
        }
        return true;
    }
}
