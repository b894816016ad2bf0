using System.Security.Cryptography;
using TinyLm.Data;
using TinyLm.Model;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim.lr_scheduler;

namespace TinyLm;

/// <summary>What one batch did.</summary>
public readonly record struct BatchResult(float Loss, double LearningRate, bool Stepped);

/// <summary>
/// Everything that learns or counts, and the one update that moves it. What is public here is what a checkpoint must hold.
/// </summary>
public sealed class TrainingRun : IDisposable
{
    /// <summary>Lines in a batch.</summary>
    public const int BatchSize = 128;

    const double PeakLearningRate = 3e-3;
    const double MaxGradientNorm = 1;
    const int WarmUpSteps = 40;
    // Far above what fp16 can hold, whatever the loss scaler's factor is, and far below what fp32 can.
    const double OverflowFactor = 1e12;

    readonly Parameter[] _parameters;

    public TrainingRun(TinyLmOptions options)
    {
        // Sums are split by the number of threads, so the number may decide the last bits. A fixed two gives the same losses on
        // a laptop as on a large machine; this model is too small to be faster with more.
        set_num_threads(2);
        manual_seed(options.Seed);
        Text = new ArithmeticText(options.Seed);
        Model = new InternLm2(new ModelShape
        {
            VocabularySize = ArithmeticText.Vocabulary.Length,
            MaxLength = ArithmeticText.LineLength,
        });
        _parameters = [.. Model.parameters()];
        Optimizer = optim.AdamW(_parameters, PeakLearningRate, beta1: 0.9, beta2: 0.98, weight_decay: 0.01);
        Scheduler = LearningRate.Cosine(Optimizer, WarmUpSteps, options.TotalSteps);
        Sampler = new Sampler(Text.TrainingCount, options.Seed);
        Scaler = new LossScaler();
    }

    public ArithmeticText Text { get; }

    public InternLm2 Model { get; }

    public AdamW Optimizer { get; }

    /// <summary>Moves with steps, not with batches: a skipped batch does not use up the schedule.</summary>
    public LRScheduler Scheduler { get; }

    public Sampler Sampler { get; }

    public LossScaler Scaler { get; }

    /// <summary>Batches drawn, over all restarts.</summary>
    public int Batch { get; private set; }

    /// <summary>Successful optimizer updates.</summary>
    public int Step { get; private set; }

    /// <summary>Batches whose gradients overflowed.</summary>
    public int Skipped => Batch - Step;

    /// <summary>Sets the counts of a restored run.</summary>
    public void Restore(int batch, int step) => (Batch, Step) = (batch, step);

    /// <summary>Draws a batch and learns from it, or skips it when its gradients overflow in fp16.</summary>
    public BatchResult Update(bool overflow)
    {
        using var scope = NewDisposeScope();
        var learningRate = Optimizer.ParamGroups.First().LearningRate;
        var loss = ArithmeticText.AnswerLoss(Model, Text.Tokens(Sampler.NextBatch(BatchSize)));

        Optimizer.zero_grad();
        Scaler.Scale(overflow ? loss * OverflowFactor : loss).backward();
        HalfGradients.Round(_parameters);
        if (Scaler.Unscale(_parameters))
        {
            nn.utils.clip_grad_norm_(_parameters, MaxGradientNorm);
        }
        var stepped = Scaler.Step(Optimizer);
        Scaler.Update();
        Batch++;
        if (stepped)
        {
            Step++;
            Scheduler.step();
        }
        return new BatchResult(loss.item<float>(), learningRate, stepped);
    }

    /// <summary>SHA-256 over weights, moments, rates, counts, sampler and scaler: equal only when all bits are.</summary>
    public string Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var parameter in _parameters)
        {
            hash.AppendData(parameter.bytes);
        }
        using (var state = new MemoryStream())
        {
            using var writer = new BinaryWriter(state);
            Optimizer.save_state_dict(writer);
            foreach (var group in Optimizer.ParamGroups)
            {
                writer.Write(group.LearningRate);
            }
            writer.Write(Batch);
            writer.Write(Step);
            writer.Write(Sampler.Epoch);
            writer.Write(Sampler.Position);
            writer.Write(Scaler.Factor);
            writer.Flush();
            hash.AppendData(state.GetBuffer().AsSpan(0, (int)state.Length));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
    }
}
