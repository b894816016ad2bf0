using System.Diagnostics;
using System.Globalization;
using Cairn;
using Microsoft.Extensions.Logging;
using TinyLm.Data;

namespace TinyLm;

/// <summary>The loop: batch after batch to the end, then an evaluation and a summary.</summary>
public static class Training
{
    /// <summary>Trains as <paramref name="options"/> say and gives the exit code.</summary>
    public static async Task<int> RunAsync(TinyLmOptions options, ITrainingView view, TimeProvider clock)
    {
        using var run = new TrainingRun(options);
        using var loggers = new LoggerFactory([new EventLogger(view)]);
        view.Started([
            $"TinyLm: {Number(run.Model.ParameterCount)} parameters, {Number(run.Text.TrainingCount)} lines to learn, such as {run.Text.Line(0).TrimEnd()}",
        ]);
        await using var checkpoints = await CheckpointManager.StartAsync(Checkpoints(options), run.Train, run.Parts, loggers, clock);
        TimeSpan? lastStall = null;
        checkpoints.SaveEnded += (_, report) => lastStall = report.Outcome == SaveOutcome.Saved ? report.Stall : lastStall;

        var train = run.Train;
        var firstBatch = train.Batch;
        var alreadyDone = firstBatch >= options.TotalSteps;
        view.Event(alreadyDone
            ? $"run {options.Run} is done: {train.Batch} batches, step {train.Step}"
            : $"run {options.Run}: batches {firstBatch + 1} to {options.TotalSteps} of {TrainingRun.BatchSize} lines, seed {options.Seed}");
        var startedAt = clock.GetTimestamp();
        BatchResult last = default;
        while (train.Batch < options.TotalSteps)
        {
            last = run.Update(overflow: options.OverflowAt.Contains((int)train.Batch + 1));
            if (train.Batch == options.CrashAt)
            {
                // SIGKILL: no handler runs, nothing is flushed, as when the machine's memory runs out.
                Process.GetCurrentProcess().Kill();
            }
            if (!last.Stepped)
            {
                view.Event($"skipped batch {train.Batch}: gradients overflowed, loss scale now {Number(run.Scaler.CurrentScale)}");
            }
            var goOn = checkpoints.AfterBatch();
            var tokens = (train.Batch - firstBatch) * TrainingRun.BatchSize * (ArithmeticText.LineLength - 1);
            view.Batch(new TrainingProgress(
                (int)train.Batch, options.TotalSteps, (int)train.Step, (int)train.SkippedBatches, last.Loss, last.LearningRate,
                tokens / clock.GetElapsedTime(startedAt).TotalSeconds,
                checkpoints.LastCheckpoint?.ToString(CultureInfo.InvariantCulture), checkpoints.LastSnapshot?.ToString(CultureInfo.InvariantCulture), lastStall));
            if (!goOn)
            {
                break;
            }
        }
        var trained = clock.GetElapsedTime(startedAt);
        var summary = checkpoints.Complete();
        view.Finished(Lines(options, run, summary, checkpoints.StopRequested && train.Batch < options.TotalSteps, alreadyDone ? null : trained));
        return 0;
    }

    static CheckpointOptions Checkpoints(TinyLmOptions options) => new()
    {
        Folder = options.Run,
        Layout = options.Layout,
        TotalSteps = options.TotalSteps,
        CheckpointEvery = options.CheckpointEvery > 0 ? options.CheckpointEvery : null,
        SnapshotEvery = options.SnapshotEvery,
        Asynchronous = !options.Sync,
        ResumeFrom = options.ResumeFrom,
        Branch = options.Branch,
        StopFile = options.StopFile,
    };

    static List<string> Lines(TinyLmOptions options, TrainingRun run, RunSummary summary, bool stopped, TimeSpan? trained)
    {
        var lines = new List<string> { summary.ToString() };
        if (trained is { } time)
        {
            lines.Add(Invariant($"trained for {time.TotalSeconds:0.0} s; accuracy {run.Text.Accuracy(run.Model):0.0} % on {run.Text.HeldOut.Count()} sums that training never saw"));
        }
        lines.Add(stopped
            ? $"stopped as asked. The same command goes on at batch {run.Train.Batch + 1}."
            : $"done. To train longer, raise --total-steps (now {options.TotalSteps}) and run the same command; to start anew, give another --run.");
        if (options.FinalDigest)
        {
            lines.Add("final digest " + run.Digest());
        }
        return lines;
    }

    static string Number(double value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
