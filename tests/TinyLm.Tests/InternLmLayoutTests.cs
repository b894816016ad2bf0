using System.Text.Json;
using Cairn;
using Cairn.Interop.Tests;
using Cairn.TorchSharp;
using TinyLm.Data;
using TinyLm.Model;

namespace TinyLm.Tests;

/// <summary>A run that is trained in InternLM's own files.</summary>
[Collection(nameof(InThisProcess))]
public class InternLmLayoutTests
{
    const int SavedAt = 60, TotalSteps = 200, More = 8;

    [Fact]
    public async Task PyTorch_goes_on_from_it_with_the_same_losses_and_rates()
    {
        Python.Require();
        using var folder = new TemporaryFolder();
        string run = folder.Run("run");
        var options = new TinyLmOptions { Run = run, TotalSteps = TotalSteps, Layout = "internlm", Dropout = 0, BatchSize = 32 };
        float[] losses;
        long growthInterval, epoch, position, batch;
        var batches = new List<long[][]>();
        using (var training = new TrainingRun(options))
        {
            var saving = new CheckpointOptions { Folder = run, Layout = "internlm", CheckpointEvery = SavedAt, SnapshotEvery = 0, HandleSignals = false, Asynchronous = false };
            await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(saving, training.Train, training.Parts, cancellationToken: TestContext.Current.CancellationToken);
            // Some batches are skipped: steps and batches differ, and the loss scale is cut.
            while (training.Train.Step < SavedAt)
            {
                training.Update(overflow: training.Train.Batch is 10 or 30);
                checkpoints.AfterBatch();
            }
            training.Train.SkippedBatches.ShouldBeGreaterThanOrEqualTo(2);
            growthInterval = training.Scaler.GrowthInterval;
            (epoch, position, batch) = (training.Sampler.Epoch, training.Sampler.Position, training.Train.Batch);
            losses = [.. Enumerable.Range(0, More).Select(_ =>
            {
                batches.Add(NextBatch(training));
                BatchResult result = training.Update(overflow: false);
                result.Stepped.ShouldBeTrue();
                return result.Loss;
            })];
        }
        string job = folder.Run("job.json");
        var shape = new ModelShape { VocabularySize = 1, MaxLength = 1 };
        await File.WriteAllTextAsync(job, JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["step"] = SavedAt, ["total_steps"] = TotalSteps, ["warm_up_steps"] = TrainingRun.WarmUpSteps, ["question_length"] = ArithmeticText.QuestionLength, ["growth_interval"] = growthInterval,
            ["layers"] = shape.Layers, ["heads"] = shape.Heads, ["key_value_heads"] = shape.KeyValueHeads, ["batches"] = batches,
            ["seed"] = options.Seed, ["epoch"] = epoch, ["position"] = position, ["batch"] = batch,
        }), TestContext.Current.CancellationToken);

        string output = Python.Run("internlm_next_losses.py", [Path.Combine(run, SavedAt.ToString(System.Globalization.CultureInfo.InvariantCulture)), job]);
        float[] others = JsonSerializer.Deserialize<float[]>(output)!;
        others.Length.ShouldBe(More);
        float largest = losses.Zip(others, (ours, theirs) => Math.Abs(ours - theirs)).Max();
        largest.ShouldBeLessThan(1e-5f, $"{string.Join(", ", losses)} and {string.Join(", ", others)}");
        // Not the same loss over and over, or the last update would prove nothing.
        losses.Distinct().Count().ShouldBe(More);
        TestContext.Current.TestOutputHelper!.WriteLine($"largest difference of {More} losses: {largest}");
    }

    [Fact]
    public void A_killed_run_ends_with_the_bits_of_one_that_was_not_whatever_the_layout()
    {
        using var folder = new TemporaryFolder();
        string[] same = ["--total-steps", "40", "--checkpoint-every", "15", "--snapshot-every", "6", "--overflow-at", "10", "--final-digest"];
        string whole = SampleProcess.LastLine(SampleProcess.Run(folder.Run("whole"), same));
        string run = folder.Run("killed");
        using (SampleProcess killed = SampleProcess.Start(run, [.. same, "--layout", "internlm", "--crash-at", "30"]))
            killed.WaitForExit().Code.ShouldNotBe(0);
        File.Exists(Path.Combine(run, "15", "cairn.json")).ShouldBeTrue();
        string output = SampleProcess.Run(run, [.. same, "--layout", "internlm"]);
        output.ShouldContain("resumes at step");
        SampleProcess.LastLine(output).ShouldBe(whole);
        // And a third start in the other layout finds it done.
        SampleProcess.LastLine(SampleProcess.Run(run, same)).ShouldBe(whole);
    }

    // What the run will draw next: a sampler of the same state draws it first.
    static long[][] NextBatch(TrainingRun training)
    {
        var ahead = new ResumableSampler(training.Sampler.DatasetSize);
        ahead.Restore(training.Sampler.Capture());
        using TorchSharp.torch.Tensor tokens = training.Text.Tokens(ahead.NextBatch(training.BatchSize));
        long[] flat = tokens.data<long>().ToArray();
        return [.. flat.Chunk(ArithmeticText.LineLength)];
    }
}
