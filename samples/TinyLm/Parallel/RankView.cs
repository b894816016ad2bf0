namespace TinyLm.Parallel;

/// <summary>Shows what goes wrong on a rank that is not the first; what goes well the first one shows for all.</summary>
public sealed class RankView(TextWriter output, int rank) : ITrainingView
{
    public void Started(IReadOnlyList<string> lines)
    {
    }

    public void Batch(TrainingProgress progress)
    {
    }

    public void Event(string line) => output.WriteLine($"rank {rank}: {line}");

    public void Finished(IReadOnlyList<string> lines)
    {
    }

    public void Dispose()
    {
    }
}
