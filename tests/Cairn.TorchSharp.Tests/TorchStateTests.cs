using Cairn.State;
using TorchSharp;
using static TorchSharp.torch;
using LRScheduler = TorchSharp.torch.optim.lr_scheduler.LRScheduler;

namespace Cairn.TorchSharp.Tests;

public sealed class TorchStateTests
{
    [Fact]
    public void A_whole_run_resumes_with_the_same_losses_bit_for_bit()
    {
        using Training whole = new(1);
        whole.Steps(6);
        List<StateMap> saved = [.. whole.Parts.Select(part => part.Capture().Copy())];
        string[] expected = whole.Steps(8);

        expected.ShouldContain(step => step.EndsWith("stepped"));
        expected.ShouldContain(step => step.EndsWith("skipped"));
        expected.ShouldNotContain(step => step.Contains("NaN"));

        using Training resumed = new(2);
        foreach ((IStatePart part, StateMap state) in resumed.Parts.Zip(saved))
            part.Restore(state);
        resumed.Steps(8).ShouldBe(expected);

        foreach ((IStatePart part, IStatePart other) in resumed.Parts.Zip(whole.Parts))
            part.Capture().ShouldHoldTheSameAs(other.Capture());
    }

    [Fact]
    public void A_run_that_forgets_one_part_differs()
    {
        using Training whole = new(1);
        whole.Steps(6);
        List<StateMap> saved = [.. whole.Parts.Select(part => part.Capture().Copy())];
        string[] expected = whole.Steps(8);

        foreach (string forgotten in new[] { "model", "optimizer", "scheduler", "sampler", "scaler", "random" })
        {
            using Training resumed = new(2);
            foreach ((IStatePart part, StateMap state) in resumed.Parts.Zip(saved).Where(pair => pair.First.Name != forgotten))
                part.Restore(state);
            resumed.Steps(8).ShouldNotBe(expected, forgotten);
        }
    }

    [Fact]
    public void Only_what_is_given_becomes_a_part()
    {
        using Run run = new(1, m => optim.SGD(m.parameters(), 0.1));
        TorchState.Parts(run.Model, run.Optimizer).Select(part => part.Name).ShouldBe(["model", "optimizer", "random"]);
    }

    /// <summary>Dropout, BatchNorm, a schedule, shuffled data and a scale that overflows now and then.</summary>
    sealed class Training : IDisposable
    {
        readonly global::TorchSharp.Modules.Sequential _model;
        readonly optim.Optimizer _optimizer;
        readonly LRScheduler _scheduler;
        readonly ResumableSampler _sampler = new(50, seed: 11);
        readonly DynamicLossScaler _scaler = new(initialScale: 1e37, growthInterval: 1);

        public Training(long seed)
        {
            manual_seed(seed);
            _model = nn.Sequential(("in", nn.Linear(4, 8)), ("norm", nn.BatchNorm1d(8)), ("drop", nn.Dropout(0.3)), ("out", nn.Linear(8, 1)));
            _optimizer = optim.AdamW(_model.parameters(), 0.05);
            _scheduler = optim.lr_scheduler.CosineAnnealingLR(_optimizer, 9);
            Parts = TorchState.Parts(_model, _optimizer, _scheduler, _sampler, _scaler);
        }

        public IReadOnlyList<IStatePart> Parts { get; }

        public string[] Steps(int count) => [.. Enumerable.Range(0, count).Select(_ => Step())];

        public void Dispose()
        {
            _optimizer.Dispose();
            _model.Dispose();
        }

        string Step()
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor input = tensor(_sampler.NextBatch(8)).to(float32).unsqueeze(1).mul(tensor([0.1f, 0.2f, 0.3f, 0.4f])).sin();
            _optimizer.zero_grad();
            Tensor loss = nn.functional.mse_loss(_model.call(input), input.sum(1, keepdim: true) * 3);
            _scaler.Scale(loss).backward();
            bool stepped = _scaler.Step(_optimizer);
            if (stepped)
                _scheduler.step();
            _scaler.Update();
            return $"{loss.item<float>():R} {(stepped ? "stepped" : "skipped")}";
        }
    }
}
