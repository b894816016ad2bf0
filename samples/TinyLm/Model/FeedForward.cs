using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TinyLm.Model;

/// <summary>SwiGLU: <c>w2(silu(w1 x) · w3 x)</c> (Shazeer, 2020).</summary>
public sealed class FeedForward : nn.Module<Tensor, Tensor>
{
    readonly Linear _w1;
    readonly Linear _w2;
    readonly Linear _w3;

    public FeedForward(ModelShape shape) : base(nameof(FeedForward))
    {
        _w1 = nn.Linear(shape.HiddenSize, shape.FeedForwardSize, hasBias: false);
        _w2 = nn.Linear(shape.FeedForwardSize, shape.HiddenSize, hasBias: false);
        _w3 = nn.Linear(shape.HiddenSize, shape.FeedForwardSize, hasBias: false);
        register_module("w1", _w1);
        register_module("w2", _w2);
        register_module("w3", _w3);
    }

    public override Tensor forward(Tensor input) =>
        _w2.forward(nn.functional.silu(_w1.forward(input)) * _w3.forward(input));
}
