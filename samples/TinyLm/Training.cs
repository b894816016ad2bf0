using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Cairn;
using Cairn.Mpi;
using Microsoft.Extensions.Logging;
using TinyLm.Data;

namespace TinyLm;

/// <summary>The loop: batch after batch to the end, then an evaluation and a summary.</summary>
public static class Training
{
    /// <summary>Trains as <paramref name="options"/> say and gives the exit code.</summary>
    public static async Task<int> RunAsync(TinyLmOptions options, MpiJob job, ITrainingView view, TimeProvider clock)
    {
        using var run = new TrainingRun(options, job);
        using var loggers = new LoggerFactory([new EventLogger(view)]);
        view.Started([
            $"TinyLm: {Number(run.Model.ParameterCount)} parameters{Ranks(job)}, {Number(run.Text.TrainingCount)} lines to learn, such as {run.Text.Line(0).TrimEnd()}",
        ]);
        var validation = new Validation(options, run, job.Ranks);
        await using var checkpoints = await CheckpointManager.StartAsync(Checkpoints(options), run.Train, [.. run.Parts, .. validation.Parts], loggers, clock, job.Ranks);
        // What was saved may be of a run with another number of steps.
        run.DescribeSchedule();
        TimeSpan? lastStall = null;
        checkpoints.SaveEnded += (_, report) => lastStall = report.IsComplete && report.Stall > TimeSpan.Zero ? report.Stall : lastStall;

        var train = run.Train;
        var firstBatch = train.Batch;
        var total = Planned(options, train);
        var alreadyDone = firstBatch >= total || train.IsComplete;
        if (job.Ranks.IsFirst)
        {
            view.Event(alreadyDone
                ? $"run {options.Run} is done: {Of(train.Batch, "batch", "batches")}, step {train.Step}{(train.FinishedBecause is { } why ? $"; {why}" : "")}"
                : $"run {options.Run}: batches {firstBatch + 1} to {total} of {run.BatchSize} lines, seed {options.Seed}");
        }
        var startedAt = clock.GetTimestamp();
        BatchResult last = default;
        while (train.Batch < total && !alreadyDone)
        {
            last = run.Update(overflow: options.OverflowAt.Contains((int)train.Batch + 1), checkpoints.BeforeUpdate);
            if (train.Batch == options.CrashAt && (options.CrashRank ?? job.Ranks.Rank) == job.Ranks.Rank)
            {
                // SIGKILL: no handler runs, nothing is flushed, as when the machine's memory runs out.
                Process.GetCurrentProcess().Kill();
            }
            if (!last.Stepped && job.Ranks.IsFirst)
            {
                view.Event($"skipped batch {train.Batch}: gradients overflowed, loss scale now {Number(run.Scaler.CurrentScale)}");
            }
            if (last.Stepped && validation.Run() is { } found && job.Ranks.IsFirst)
            {
                view.Event(found);
            }
            var goOn = checkpoints.AfterBatch();
            var tokens = (train.Batch - firstBatch) * run.BatchSize * (ArithmeticText.LineLength - 1);
            view.Batch(new TrainingProgress(
                (int)train.Batch, (int)total, (int)train.Step, (int)train.SkippedBatches, last.Loss, last.LearningRate,
                tokens / clock.GetElapsedTime(startedAt).TotalSeconds,
                checkpoints.LastCheckpoint?.ToString(CultureInfo.InvariantCulture), checkpoints.LastSnapshot?.ToString(CultureInfo.InvariantCulture), lastStall));
            if (!goOn)
            {
                break;
            }
        }
        var trained = clock.GetElapsedTime(startedAt);
        var summary = checkpoints.Complete();
        view.Finished(Lines(options, run, job, summary, checkpoints.StopRequested && train.Batch < total && !train.IsComplete, alreadyDone ? null : trained));
        return 0;
    }

    // Batches to draw, over all restarts.
    static long Planned(TinyLmOptions options, TrainState train)
    {
        if (options.More is { } more)
        {
            var planned = train.TotalSteps ?? 0;
            train.TotalSteps = train.Batch >= planned || train.FinishedBecause is not null ? train.Batch + more : planned;
            train.Reopen();
        }
        return train.TotalSteps ?? options.TotalSteps;
    }

    static CheckpointOptions Checkpoints(TinyLmOptions options) => new()
    {
        Folder = options.Run,
        FastFolder = options.Fast,
        TensorBoardFolder = options.TensorBoard,
        Replicas = options.Replicas,
        Layout = options.Layout,
        // With --more the plan is the one that the run was saved with.
        TotalSteps = options.More is null ? options.TotalSteps : null,
        CheckpointEvery = options.CheckpointEvery > 0 ? options.CheckpointEvery : null,
        SnapshotEvery = options.SnapshotEvery,
        SaveBestMetric = options.SaveBest ? Validation.Metric : null,
        LoadBestModelAtEnd = options.SaveBest,
        KeepLast = options.KeepLast ?? (options.SaveBest ? 2 : null),
        KeepOptimizer = options.KeepOptimizer,
        Asynchronous = !options.Sync,
        OverlapCapture = options.Overlap,
        ResumeFrom = options.ResumeFrom,
        // An optimizer of all weights does not fit one of some.
        ResumeParts = options.ResumeFrom is not null && options.Freeze.Count > 0 ? ["model"] : [],
        Branch = options.Branch,
        StopFile = options.StopFile,
        RankTimeout = TimeSpan.FromSeconds(options.RankTimeout),
        StopGrace = options.StopGrace is { } grace ? TimeSpan.FromSeconds(grace) : null,
    };

    static List<string> Lines(TinyLmOptions options, TrainingRun run, MpiJob job, RunSummary summary, bool stopped, TimeSpan? trained)
    {
        var lines = new List<string> { summary.ToString() };
        if (trained is { } time)
        {
            // Who was told to stop has no time to try the model out.
            int[] sums = stopped ? [] : [.. run.Text.HeldOut.Take(options.Evaluate)];
            var tried = sums.Length == 0 ? "" : Invariant($"; accuracy {run.Text.Accuracy(run.Model, sums):0.0} % on {sums.Length} sums that training never saw");
            lines.Add(Invariant($"trained for {time.TotalSeconds:0.0} s{tried}"));
        }
        lines.Add(stopped
            ? $"stopped as asked. The same command goes on at batch {run.Train.Batch + 1}."
            : $"done. To train longer, add --more with a number of batches; to start anew, give another --run.");
        if (options.FinalDigest)
        {
            // Every rank's: all of them together say whether two runs are the same.
            var digests = job.Ranks.AllGather("final digest", Encoding.UTF8.GetBytes(run.Digest()));
            lines.Add("final digest " + (digests.Length == 1 ? Encoding.UTF8.GetString(digests[0]) : Convert.ToHexStringLower(SHA256.HashData([.. digests.SelectMany(digest => digest)]))[..32]));
        }
        return lines;
    }

    static string Ranks(MpiJob job) => job.Ranks is { Size: > 1, World: var world }
        ? $" on rank 0 of {world.Size} (tp {world.Tp}, dp {world.Dp}, zo {world.Zo}) over {job.Library}" : "";

    static string Of(long count, string one, string many) => $"{count} {(count == 1 ? one : many)}";

    static string Number(double value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
