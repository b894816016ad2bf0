namespace TinyLm;

/// <summary>Plain lines for log files and pipes: one every <paramref name="logEvery"/> batches, the first and the last.</summary>
public sealed class PlainProgressView(TextWriter output, int logEvery) : ITrainingView
{
    readonly Lock _lock = new();
    TrainingProgress? _unprinted;

    public void Started(IReadOnlyList<string> lines) => Write(lines);

    public void Batch(TrainingProgress progress)
    {
        _unprinted = progress;
        if (progress.Batch % logEvery == 0 || progress.Batch == 1)
        {
            PrintProgress();
        }
    }

    public void Event(string line) => Write([line]);

    public void Finished(IReadOnlyList<string> lines)
    {
        PrintProgress();
        Write(lines);
    }

    public void Dispose()
    {
    }

    void PrintProgress()
    {
        if (_unprinted is { } progress)
        {
            Write([ProgressText.Line(progress)]);
            _unprinted = null;
        }
    }

    void Write(IReadOnlyList<string> lines)
    {
        lock (_lock)
        {
            foreach (var line in lines)
            {
                output.WriteLine(line);
            }
            // A log is read while the job runs, and the last line before a crash is the one that matters.
            output.Flush();
        }
    }
}
