using TinyLm.Parallel;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace TinyLm.Model;

/// <summary>SwiGLU: <c>w2(silu(w1 x) · w3 x)</c> (Shazeer, 2020). Tensor-parallel ranks share its width.</summary>
public sealed class FeedForward : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "w1")] readonly Linear _w1;
    [ComponentName(Name = "w2")] readonly Linear _w2;
    [ComponentName(Name = "w3")] readonly Linear _w3;
    TensorParallel _ranks = TensorParallel.None;

    public FeedForward(ModelShape shape) : base(nameof(FeedForward))
    {
        _w1 = nn.Linear(shape.HiddenSize, shape.FeedForwardSize, hasBias: false);
        _w2 = nn.Linear(shape.FeedForwardSize, shape.HiddenSize, hasBias: false);
        _w3 = nn.Linear(shape.HiddenSize, shape.FeedForwardSize, hasBias: false);
        RegisterComponents();
    }

    /// <summary>Keeps this rank's part of the width.</summary>
    public IEnumerable<CutParameter> Cut(TensorParallel ranks)
    {
        ranks.Require((int)_w1.weight!.shape[0], "width of the feed-forward part");
        _ranks = ranks;
        _w1.weight = new Parameter(ranks.Cut(_w1.weight, 0));
        _w3.weight = new Parameter(ranks.Cut(_w3.weight!, 0));
        _w2.weight = new Parameter(ranks.Cut(_w2.weight!, 1));
        return [new(_w1.weight, 0), new(_w2.weight, 1), new(_w3.weight, 0)];
    }

    public override Tensor forward(Tensor input)
    {
        var entered = _ranks.Enter(input);
        return _ranks.Leave(_w2.forward(nn.functional.silu(_w1.forward(entered)) * _w3.forward(entered)));
    }
}
