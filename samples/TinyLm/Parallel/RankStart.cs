using Cairn.Mpi;

namespace TinyLm.Parallel;

/// <summary>Joins the other ranks, or is alone when nothing launched this process with others.</summary>
public static class RankStart
{
    /// <summary>The job that <paramref name="options"/> and the launcher describe.</summary>
    public static MpiJob Join(TinyLmOptions options)
    {
        var size = MpiLaunch.Detect(Environment.GetEnvironmentVariable)?.Size ?? 1;
        return MpiJob.Start(new MpiOptions
        {
            Tp = options.Tp,
            Dp = options.Dp,
            Zo = options.Zero ? options.Dp ?? Math.Max(1, size / (options.Tp ?? 1)) : null,
            Timeout = TimeSpan.FromSeconds(options.RankTimeout),
        });
    }

    /// <summary>The view of this rank. Open MPI gives its ranks terminals of their own; what they print is a log all the same.</summary>
    public static ITrainingView ViewOf(TinyLmOptions options, MpiJob job) =>
        job.Ranks.Size == 1 ? ProgressView.Create(options.LogEvery)
        : job.Ranks.IsFirst ? new PlainProgressView(Console.Out, options.LogEvery)
        : new RankView(Console.Out, job.Ranks.Rank);
}
