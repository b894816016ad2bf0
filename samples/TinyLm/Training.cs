using System.Diagnostics;
using System.Globalization;
using TinyLm.Data;

namespace TinyLm;

/// <summary>The loop: batch after batch to the end, then an evaluation and a summary.</summary>
public static class Training
{
    /// <summary>Trains as <paramref name="options"/> say and gives the exit code.</summary>
    public static Task<int> RunAsync(
        TinyLmOptions options, ITrainingView view, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var run = new TrainingRun(options);

        // CHECKPOINT (start): make the manager over `run`, resume, then run.Restore(batch, step).

        view.Started([
            $"TinyLm: {Number(run.Model.ParameterCount)} parameters, {Number(run.Text.TrainingCount)} lines to learn, such as {run.Text.Line(0).TrimEnd()}",
            $"batches {run.Batch + 1} to {options.TotalSteps} of {TrainingRun.BatchSize} lines, seed {options.Seed}",
        ]);
        var startedAt = clock.GetTimestamp();
        var firstBatch = run.Batch;
        BatchResult last = default;
        while (run.Batch < options.TotalSteps && !cancellationToken.IsCancellationRequested)
        {
            last = run.Update(overflow: options.OverflowAt.Contains(run.Batch + 1));
            if (run.Batch == options.CrashAt)
            {
                // SIGKILL: no handler runs, nothing is flushed, as when the machine's memory runs out.
                Process.GetCurrentProcess().Kill();
            }
            if (!last.Stepped)
            {
                view.Event($"skipped batch {run.Batch}: gradients overflowed, loss scale now {Number(run.Scaler.Factor)}");
            }

            // CHECKPOINT (batch boundary): tell the manager of run.Batch, run.Step and whether the batch stepped; it saves what is
            // due and says whether to stop. The three nulls below are its answers. Dispose scopes belong to a thread:
            // none may be open across an await.

            var tokens = (long)(run.Batch - firstBatch) * TrainingRun.BatchSize * (ArithmeticText.LineLength - 1);
            view.Batch(new TrainingProgress(
                run.Batch, options.TotalSteps, run.Step, run.Skipped, last.Loss, last.LearningRate,
                tokens / clock.GetElapsedTime(startedAt).TotalSeconds,
                LastCheckpoint: null, LastSnapshot: null, LastStall: null));
        }
        var trained = clock.GetElapsedTime(startedAt);

        // CHECKPOINT (end): the final checkpoint, whatever ended the loop.

        view.Finished(Summary(options, run, firstBatch, last, trained));
        return Task.FromResult(0);
    }

    static List<string> Summary(TinyLmOptions options, TrainingRun run, int firstBatch, BatchResult last, TimeSpan trained)
    {
        var lines = new List<string>
        {
            Invariant($"trained {run.Batch - firstBatch} batches in {trained.TotalSeconds:0.0} s; step {run.Step} after {run.Batch} of {options.TotalSteps} batches"),
        };
        if (run.Skipped > 0)
        {
            lines.Add($"{run.Skipped} batches were skipped because their gradients overflowed; loss scale {Number(run.Scaler.Factor)}");
        }
        lines.Add(Invariant($"accuracy {run.Text.Accuracy(run.Model):0.0} % of {run.Text.HeldOut.Count()} sums that training never saw"));
        if (run.Batch > firstBatch)
        {
            // All nine digits and the bits: two runs agree only if these agree.
            lines.Add(Invariant($"final loss {last.Loss:G9} (0x{BitConverter.SingleToUInt32Bits(last.Loss):x8})"));
        }
        if (options.FinalDigest)
        {
            lines.Add("final digest " + run.Digest());
        }
        return lines;
    }

    static string Number(double value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
