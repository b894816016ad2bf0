namespace Cairn.Advice.Audit;

/// <summary>
/// Reads the logs of InternLM and InternEvo, torchtitan, XTuner and OpenMMLab: those of many ranks, of restarts one after the other, with lines of several processes between
/// each other, with colours, and with what launchers and progress bars put in front. The messages of InternLM are those of InternEvo's <c>train.py</c>, <c>internlm/train/pipeline.py</c> and
/// <c>internlm/checkpoint/checkpoint_manager.py</c>.
/// </summary>
public static class TrainingLogReader
{
    /// <summary>Whether a line is one of such a log.</summary>
    public static bool Recognizes(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        return LogText.Lines([line]).Any(shown => LogLine.Of(shown) is not null);
    }

    /// <summary>What the logs say together. Of several trainers the first one counts.</summary>
    /// <param name="files">The lines of each file, in their order.</param>
    /// <param name="checkpointEvery">Steps between checkpoints, where that is known: some logs do not name the steps of saves, and it is worked out otherwise.</param>
    public static RunHistory Read(IReadOnlyList<IEnumerable<string>> files, long? checkpointEvery = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        (HistorySource Source, LogReading Reading)? log = null;
        foreach ((LogLine kind, LogMessage message) in Merged(files))
        {
            log ??= (kind.Source, kind.Source == HistorySource.InternLm ? new InternLmLogReading() : new StepLogReading(StepLog.Of(kind.Source), checkpointEvery));
            if (kind.Source == log.Value.Source)
                log.Value.Reading.Take(message);
        }
        return log?.Reading.Finish() ?? new RunHistory(HistorySource.InternLm, new RunConfiguration(), [], 0);
    }

    // By time; at one time the earlier file first. A file's own order is kept even where its clock jumps.
    private static IEnumerable<(LogLine, LogMessage)> Merged(IReadOnlyList<IEnumerable<string>> files)
    {
        IEnumerator<(LogLine Kind, LogMessage Message)>[] open = [.. files.Select(lines => LogLine.Messages(lines).GetEnumerator())];
        try
        {
            bool[] hasMore = [.. open.Select(messages => messages.MoveNext())];
            DateTimeOffset latest = open.Where((_, i) => hasMore[i]).Select(messages => messages.Current.Message.Time).DefaultIfEmpty().Max();
            int[] years = [.. open.Select((messages, i) => hasMore[i] && LogLine.IsOfNextYear(messages.Current.Message.Time, latest) ? 1 : 0)];
            var queue = new PriorityQueue<int, (DateTimeOffset, int)>();
            for (int i = 0; i < open.Length; i++)
            {
                if (hasMore[i])
                    Enqueue(i);
            }
            while (queue.TryDequeue(out int next, out _))
            {
                (LogLine kind, LogMessage message) = open[next].Current;
                yield return (kind, message with { Time = message.Time.AddYears(years[next]) });
                if (open[next].MoveNext())
                    Enqueue(next);
            }

            void Enqueue(int file) => queue.Enqueue(file, (open[file].Current.Message.Time.AddYears(years[file]), file));
        }
        finally
        {
            foreach (IEnumerator<(LogLine, LogMessage)> messages in open)
                messages.Dispose();
        }
    }
}
