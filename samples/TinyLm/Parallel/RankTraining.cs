using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Cairn;
using Cairn.Mpi;
using TinyLm.Data;

namespace TinyLm.Parallel;

/// <summary>The loop of several ranks: the same batches and the same losses as one rank has. The first rank shows them.</summary>
public static class RankTraining
{
    /// <summary>Joins the other ranks, or is alone when nothing launched this process with others.</summary>
    public static MpiJob Start(TinyLmOptions options)
    {
        var size = MpiLaunch.Detect(Environment.GetEnvironmentVariable)?.Size ?? 1;
        return MpiJob.Start(new MpiOptions
        {
            Tp = options.Tp,
            Dp = options.Dp,
            Zo = options.Zero ? options.Dp ?? Math.Max(1, size / (options.Tp ?? 1)) : null,
        });
    }

    /// <summary>Trains as <paramref name="options"/> say and gives the exit code.</summary>
    public static int Run(TinyLmOptions options, MpiJob job, ITrainingView view, TimeProvider clock)
    {
        try
        {
            RefuseSaving(options);
            Train(options, job, view, clock);
            return 0;
        }
        catch (CheckpointException e)
        {
            job.Fail(e.Message);
            throw;
        }
    }

    static void Train(TinyLmOptions options, MpiJob job, ITrainingView view, TimeProvider clock)
    {
        var first = job.Ranks.IsFirst;
        using var run = new TrainingRun(options, job);
        if (first)
        {
            var world = job.Ranks.World;
            view.Started([
                $"TinyLm: {run.Model.ParameterCount:#,0} parameters on rank 0 of {world.Size} (tp {world.Tp}, dp {world.Dp}, zo {world.Zo}) over {job.Library}",
                "nothing is saved: a run of several ranks cannot save yet",
            ]);
        }
        var train = run.Train;
        var startedAt = clock.GetTimestamp();
        while (train.Batch < options.TotalSteps)
        {
            var last = run.Update(overflow: options.OverflowAt.Contains((int)train.Batch + 1));
            if (!first)
            {
                continue;
            }
            if (!last.Stepped)
            {
                view.Event($"skipped batch {train.Batch}: gradients overflowed, loss scale now {run.Scaler.CurrentScale.ToString("#,0", CultureInfo.InvariantCulture)}");
            }
            var tokens = train.Batch * TrainingRun.BatchSize * (ArithmeticText.LineLength - 1);
            view.Batch(new TrainingProgress(
                (int)train.Batch, options.TotalSteps, (int)train.Step, (int)train.SkippedBatches, last.Loss, last.LearningRate,
                tokens / clock.GetElapsedTime(startedAt).TotalSeconds, LastCheckpoint: null, LastSnapshot: null, LastStall: null));
        }
        var trained = clock.GetElapsedTime(startedAt);
        var accuracy = run.Text.Accuracy(run.Model);
        // Every rank's digest: all of them together say whether two runs are the same.
        var digests = job.Ranks.AllGather("final digest", Encoding.UTF8.GetBytes(options.FinalDigest ? run.Digest() : ""));
        if (first)
        {
            List<string> lines = [
                $"{train.Step} steps, {train.Batch} batches, {train.SkippedBatches} skipped",
                string.Create(CultureInfo.InvariantCulture, $"trained for {trained.TotalSeconds:0.0} s; accuracy {accuracy:0.0} % on {run.Text.HeldOut.Count()} sums that training never saw"),
            ];
            if (options.FinalDigest)
            {
                lines.Add("final digest " + Convert.ToHexStringLower(SHA256.HashData([.. digests.SelectMany(digest => digest)]))[..32]);
            }
            view.Finished(lines);
        }
    }

    // A run that seems to save and does not is worse than one that says so.
    static void RefuseSaving(TinyLmOptions options)
    {
        (string Option, bool Given)[] refused = [
            ("--resume-from", options.ResumeFrom is not null), ("--branch", options.Branch is not null), ("--stop-file", options.StopFile is not null),
            ("--sync", options.Sync), ("--crash-at", options.CrashAt is not null),
        ];
        if (Array.Find(refused, entry => entry.Given) is { Option: { } option })
        {
            throw new CheckpointException($"{option} cannot be used by several ranks: a run of several ranks cannot save or resume yet. Leave it out, or run one rank.");
        }
    }
}
