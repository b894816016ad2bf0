using Cairn.State;
using Cairn.TorchSharp;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Cairn.Hosting.Program;

// training begins
public sealed class Regression : ITraining, IDisposable
{
    private readonly Tensor _inputs = rand(1000, 3), _targets;
    private readonly nn.Module<Tensor, Tensor> _model = nn.Linear(3, 1);
    private readonly optim.Optimizer _optimizer;
    private readonly ResumableSampler _sampler = new(datasetSize: 1000, seed: 1);
    private readonly ILogger<Regression> _logger;

    public Regression(ILogger<Regression> logger)
    {
        _logger = logger;
        _targets = _inputs.sum(1, keepdim: true);
        _optimizer = optim.AdamW(_model.parameters(), lr: 0.01);
    }

    public IEnumerable<IStatePart> Parts => TorchState.Parts(_model, _optimizer, sampler: _sampler);

    public void TrainBatch(CheckpointManager checkpoints)
    {
        using var scope = NewDisposeScope();
        Tensor rows = tensor(_sampler.NextBatch(32));
        Tensor loss = nn.functional.mse_loss(_model.call(_inputs.index(rows)), _targets.index(rows));
        _optimizer.zero_grad();
        loss.backward();
        _optimizer.step();
        float value = loss.item<float>();
        checkpoints.Train.CompleteStep(samples: 32, loss: value);
        long step = checkpoints.Train.Step;
        if (step % 100 == 0)
            _logger.LogInformation("step {Step}: loss {Loss}", step, value);
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _model.Dispose();
        _targets.Dispose();
        _inputs.Dispose();
    }
}
// training ends
