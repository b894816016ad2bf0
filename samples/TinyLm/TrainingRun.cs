using Cairn;
using Cairn.State;
using Cairn.TorchSharp;
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
        Sampler = new ResumableSampler(Text.TrainingCount, options.Seed);
        Scaler = new DynamicLossScaler(initialScale: 1 << 18, growthInterval: 50);
        Parts = TorchState.Parts(Model, Optimizer, Scheduler, Sampler, Scaler);
    }

    public ArithmeticText Text { get; }

    public InternLm2 Model { get; }

    public AdamW Optimizer { get; }

    /// <summary>Moves with steps, not with batches: a skipped batch does not use up the schedule.</summary>
    public LRScheduler Scheduler { get; }

    public ResumableSampler Sampler { get; }

    public DynamicLossScaler Scaler { get; }

    /// <summary>Steps, batches and skips, over all restarts.</summary>
    public TrainState Train { get; } = new();

    /// <summary>All that a resumed run needs besides the counters.</summary>
    public IReadOnlyList<IStatePart> Parts { get; }

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
        var lossValue = loss.item<float>();
        var tokens = (long)BatchSize * (ArithmeticText.LineLength - 1);
        if (stepped)
        {
            Scheduler.step();
            Train.CompleteStep(BatchSize, tokens, lossValue, learningRate);
        }
        else
        {
            Train.SkipBatch(TrainState.OverflowReason, BatchSize, tokens);
        }
        return new BatchResult(lossValue, learningRate, stepped);
    }

    /// <summary>A hash over weights, moments, rates, counts, sampler, scaler and random state: equal only when all bits are.</summary>
    public string Digest() => StateDigest.Of([.. Parts, Train]);

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
    }
}
