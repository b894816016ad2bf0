using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Journal;

/// <summary>How far the process before came, as far as it has left word: its journal tells of saves and of batches every few seconds, its progress at most once a second.</summary>
/// <param name="Step">The highest step that it is known to have made.</param>
/// <param name="IsExact">Whether it told its end, at this step. One that was killed may have made more.</param>
internal readonly record struct LastSeen(long Step, bool IsExact)
{
    // The newest words stand at the end, and a line with the windows of many batches has some 20 KB.
    private const int LongestTail = 256 << 10;
    private const int LargestProgress = 64 << 10;

    /// <summary>What is known of the run's last process; <see langword="null"/> when nothing is.</summary>
    public static LastSeen? Of(IFileSource files)
    {
        Tail tail = Tail.Of(Guarded(files, ReadTail) ?? []);
        (DateTimeOffset Time, long Step)? progress = Guarded(files, static read => Progress<(DateTimeOffset, long)?>(read, static json => (json.GetProperty("time").GetDateTimeOffset(), json.GetProperty("step").GetInt64())));
        // What an earlier process has left says nothing of one that wrote none.
        if (progress is { } known && !(known.Time < tail.Began))
            tail.Reach(known.Step);
        return tail.Highest is { } step ? new LastSeen(step, tail.End >= step) : null;
    }

    /// <summary>The newest step that a fast folder was known to have and the home not; <see langword="null"/> when there is none.</summary>
    public static long? RecoverableStep(IFileSource files) =>
        Guarded(files, static read => Progress<long?>(read, static json => json.TryGetProperty("recoverable_step", out JsonElement value) ? value.GetInt64() : null));

    private static T? Progress<T>(IFileSource files, Func<JsonElement, T> read)
    {
        if (!files.FileExists(RunFolder.Progress))
            return default;
        using JsonDocument document = JsonDocument.Parse(SmallFile.Read(files, RunFolder.Progress, LargestProgress));
        return read(document.RootElement);
    }

    private static byte[] ReadTail(IFileSource files)
    {
        if (!JournalFile.Exists(files))
            return [];
        using IReadableFile journal = JournalFile.Open(files);
        byte[] tail = new byte[Math.Min(journal.Length, LongestTail)];
        return tail[..journal.Read(journal.Length - tail.Length, tail)];
    }

    // None of it is needed to resume.
    private static T? Guarded<T>(IFileSource files, Func<IFileSource, T?> read)
    {
        try
        {
            return read(files);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException || RunFolder.IsMalformed(e))
        {
            return default;
        }
    }

    // The lines of the last process, as far as they stand in the tail; the first of them may be cut.
    private sealed class Tail
    {
        public DateTimeOffset? Began { get; private set; }
        public long? Highest { get; private set; }
        public long? End { get; private set; }

        public static Tail Of(ReadOnlySpan<byte> bytes)
        {
            var tail = new Tail();
            while (!bytes.IsEmpty)
            {
                int before = bytes.LastIndexOf((byte)'\n');
                tail.Take(bytes[(before + 1)..]);
                if (tail.Began is not null || before < 0)
                    break;
                bytes = bytes[..before];
            }
            return tail;
        }

        public void Reach(long step) => Highest = Math.Max(Highest ?? 0, step);

        private void Take(ReadOnlySpan<byte> line)
        {
            try
            {
                var reader = new Utf8JsonReader(line);
                using JsonDocument document = JsonDocument.ParseValue(ref reader);
                JsonElement json = document.RootElement;
                string? kind = json.GetProperty("event").GetString();
                // What is retired is older, and what is asked for may lie ahead.
                if (kind is "retired" or "command" or "branched" || !json.TryGetProperty("step", out JsonElement value))
                    return;
                long step = value.GetInt64();
                Reach(step);
                if (kind is "finished" or "stopped" or "aborted")
                    End = Math.Max(End ?? 0, step);
                else if (kind is "started" or "resumed")
                    Began = json.GetProperty("time").GetDateTimeOffset();
            }
            catch (Exception e) when (RunFolder.IsMalformed(e))
            {
                // Cut off, or of another program.
            }
        }
    }
}
