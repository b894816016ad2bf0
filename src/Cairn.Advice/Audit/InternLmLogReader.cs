namespace Cairn.Advice.Audit;

/// <summary>
/// Reads training logs of InternLM and InternEvo: those of many ranks, of restarts one after the other, and with lines of several
/// processes between each other. The messages are those of InternEvo's <c>train.py</c>, <c>internlm/train/pipeline.py</c> and
/// <c>internlm/checkpoint/checkpoint_manager.py</c>.
/// </summary>
public static class InternLmLogReader
{
    /// <summary>Whether a line is one of such a log.</summary>
    public static bool Recognizes(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        return InternLmLine.TryParse(line, out _);
    }

    /// <summary>What the logs say together.</summary>
    /// <param name="files">The lines of each file, in their order.</param>
    public static RunHistory Read(IReadOnlyList<IEnumerable<string>> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        var reading = new InternLmLogReading();
        foreach (InternLmMessage message in Merged(files))
            reading.Take(message);
        return reading.Finish();
    }

    // By time; at one time the earlier file first. A file's own order is kept even where its clock jumps.
    private static IEnumerable<InternLmMessage> Merged(IReadOnlyList<IEnumerable<string>> files)
    {
        IEnumerator<InternLmMessage>[] open = [.. files.Select(lines => InternLmLine.Messages(lines).GetEnumerator())];
        try
        {
            var queue = new PriorityQueue<int, (DateTimeOffset, int)>();
            for (int i = 0; i < open.Length; i++)
                Enqueue(i);
            while (queue.TryDequeue(out int next, out _))
            {
                yield return open[next].Current;
                Enqueue(next);
            }

            void Enqueue(int file)
            {
                if (open[file].MoveNext())
                    queue.Enqueue(file, (open[file].Current.Time, file));
            }
        }
        finally
        {
            foreach (IEnumerator<InternLmMessage> messages in open)
                messages.Dispose();
        }
    }
}
