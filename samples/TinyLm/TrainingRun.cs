using Cairn;
using Cairn.Mpi;
using Cairn.State;
using Cairn.TorchSharp;
using TinyLm.Data;
using TinyLm.Model;
using TinyLm.Parallel;
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
    /// <summary>Steps until the learning rate is at its peak.</summary>
    public const int WarmUpSteps = 40;

    const double PeakLearningRate = 3e-3;
    // Far above what fp16 can hold, whatever the loss scaler's factor is, and far below what fp32 can.
    const double OverflowFactor = 1e12;

    readonly RankUpdate _ranks;
    readonly TensorParallel _tensor = TensorParallel.None;
    readonly int _lines;
    readonly int _totalSteps;

    /// <summary>A run from its beginning.</summary>
    /// <param name="options">What the command line says.</param>
    /// <param name="job">The ranks that train together; null for one alone.</param>
    public TrainingRun(TinyLmOptions options, MpiJob? job = null)
    {
        // Sums are split by the number of threads, so the number may decide the last bits. One gives the same losses on a laptop
        // as on a large machine. This model is too small for more: where processors are busy, threads that wait for each other
        // by spinning made it many times slower.
        set_num_threads(1);
        manual_seed(options.Seed);
        Text = new ArithmeticText(options.Seed);
        Model = new InternLm2(new ModelShape
        {
            VocabularySize = ArithmeticText.Vocabulary.Length,
            MaxLength = ArithmeticText.LineLength,
            HiddenSize = options.Width,
            // Nearly three times as wide inside, as the default is.
            FeedForwardSize = options.Width * 512 / 176 / 8 * 8,
            Dropout = options.Dropout,
        });
        var alone = job is null || job.Ranks.Size == 1;
        var batch = BatchShare.Whole;
        if (!alone)
        {
            batch = new BatchShare(job!.Data.Rank, job.Data.Size);
            _tensor = new TensorParallel(job.Tensor);
            Model.Cut(_tensor, batch);
        }
        BatchSize = options.BatchSize;
        _lines = BatchSize / batch.Size;
        if (BatchSize % batch.Size != 0)
        {
            throw new CheckpointException($"A batch of {BatchSize} lines cannot be shared evenly by {batch.Size} data-parallel ranks. Choose a number of ranks that divides it, or another --batch-size.");
        }
        Model.Freeze(options.Freeze);
        _ranks = alone ? new RankUpdate(Model) : new SharedUpdate(Model, job!);
        Optimizer = optim.AdamW(_ranks.Owned, PeakLearningRate, beta1: 0.9, beta2: 0.98, weight_decay: 0.01);
        Scheduler = LearningRate.Cosine(Optimizer, WarmUpSteps, options.TotalSteps);
        _totalSteps = options.TotalSteps;
        DescribeSchedule();
        Sampler = new ResumableSampler(Text.TrainingCount, options.Seed, batch.Rank, batch.Size);
        Scaler = new DynamicLossScaler(initialScale: 1 << 18, growthInterval: 50);
        // All ranks draw the same random numbers, so any number of them goes on with the same.
        Parts =
        [
            new ModulePart(Model, shards: Model.Shards), _ranks.StateOf(Optimizer), new SchedulerPart(Scheduler), Sampler, Scaler,
            new RandomPart(scope: PartScope.Shared),
        ];
    }

    /// <summary>Lines in a batch.</summary>
    public int BatchSize { get; }

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
    /// <param name="overflow">Whether to make them overflow.</param>
    /// <param name="beforeUpdate">Called when all is computed, right before the weights change.</param>
    public BatchResult Update(bool overflow, Action? beforeUpdate = null)
    {
        using var scope = NewDisposeScope();
        var learningRate = Optimizer.ParamGroups.First().LearningRate;
        var loss = ArithmeticText.AnswerLoss(Model, Text.Tokens(Sampler.NextBatch(_lines)));

        _ranks.Clear(Optimizer);
        Scaler.Scale(overflow ? loss * OverflowFactor : loss).backward();
        _tensor.ThrowIfFailed();
        _ranks.Combine();
        HalfGradients.Round(_ranks.Owned);
        var (overflowed, lossValue) = _ranks.Agree(Scaler.Unscale(_ranks.Owned), loss.item<float>());
        if (overflowed)
        {
            Scaler.ReportOverflow();
        }
        beforeUpdate?.Invoke();
        var stepped = Scaler.Step(Optimizer);
        Scaler.Update();
        if (stepped)
        {
            _ranks.Share();
        }
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

    /// <summary>The loss on the first sums that training never saw, without dropout. Draws no random numbers and changes nothing.</summary>
    public float ValidationLoss(int sums)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Model.eval();
        try
        {
            return ArithmeticText.AnswerLoss(Model, Text.Tokens([.. Text.HeldOut.Take(sums).Select(sum => (long)sum)])).item<float>();
        }
        finally
        {
            Model.train();
        }
    }

    /// <summary>Keeps what the learning rate depends on with each copy, in the words of InternLM's configuration, for InternEvo to go on from it.</summary>
    public void DescribeSchedule() => Train.Values["lr_scheduler"] = new StateMap
    {
        { "total_steps", (long)_totalSteps }, { "init_steps", 0L }, { "warmup_steps", (long)WarmUpSteps }, { "eta_min", PeakLearningRate * LearningRate.Floor },
    };

    /// <summary>A hash over weights, moments, rates, counts, sampler, scaler and random state: equal only when all bits are.</summary>
    public string Digest() => StateDigest.Of([.. Parts, Train]);

    public void Dispose()
    {
        Optimizer.Dispose();
        Model.Dispose();
    }
}
