using System.Text.Json;
using Cairn;
using Cairn.Conversion;
using Cairn.Interop.Tests;
using Cairn.Layouts;
using Cairn.Layouts.Renaming;
using Cairn.Opening;
using TinyLm.Data;
using TinyLm.Model;
using static TorchSharp.torch;

namespace TinyLm.Tests;

/// <summary>What the sample learned, as a model of Hugging Face's Llama.</summary>
[Collection(nameof(InThisProcess))]
public class LlamaTests
{
    [Fact]
    public async Task A_trained_model_converted_to_Llama_gives_in_PyTorch_the_logits_that_it_gives_in_TorchSharp()
    {
        Python.Require();
        CancellationToken token = TestContext.Current.CancellationToken;
        using var folder = new TemporaryFolder();
        string run = folder.Run("run"), llama = folder.Run("llama"), jobs = folder.Run("jobs.json");
        int[] tokens = [.. Enumerable.Range(0, ArithmeticText.LineLength - 1).Select(i => i * 7 % ArithmeticText.Vocabulary.Length)];
        float[] expected;
        using (var training = new TrainingRun(new TinyLmOptions { Run = run, TotalSteps = 30 }))
        {
            var saving = new CheckpointOptions { Folder = run, CheckpointEvery = 30, SnapshotEvery = 0, HandleSignals = false };
            await using CheckpointManager checkpoints = await CheckpointManager.StartAsync(saving, training.Train, training.Parts, cancellationToken: token);
            while (training.Train.Step < 30)
            {
                training.Update(overflow: false);
                checkpoints.AfterBatch();
            }
            checkpoints.Complete();
            training.Model.eval();
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            expected = training.Model.forward(tensor(tokens, int64).unsqueeze(0)).flatten().data<float>().ToArray();
        }

        var shape = new ModelShape { VocabularySize = 1, MaxLength = 1 };
        using (LoadedCheckpoint source = CheckpointReader.Open(run))
        {
            ConversionResult result = CheckpointConversion.Plan(source, llama, new ConversionOptions
            {
                Layout = "huggingface",
                Rules = RenamingRules.Load("internlm2-to-llama"),
                Parameters = new RenamingParameters().With("heads", shape.Heads).With("kv_heads", shape.KeyValueHeads),
            }).Run(cancellationToken: token);
            // Three matrices for each fused one, and the rest as it was.
            result.TensorsVerified.ShouldBe(3 + (shape.Layers * 9));
        }
        await File.WriteAllTextAsync(jobs, JsonSerializer.Serialize(new[]
        {
            new { path = llama, architecture = "llama", heads = shape.Heads, key_heads = shape.KeyValueHeads, neighbours = false, tokens },
        }), token);
        float[] logits = JsonSerializer.Deserialize<float[]>(Python.Run("logits.py", [jobs]))!;
        logits.Length.ShouldBe(expected.Length);
        logits.Zip(expected, (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-4f);
        // Far from uniform: it has learned something, and the comparison means something.
        expected.Max().ShouldBeGreaterThan(1);
    }
}
