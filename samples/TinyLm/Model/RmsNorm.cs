using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace TinyLm.Model;

/// <summary>Scales each row to a root mean square of one, then by a learned weight (Zhang and Sennrich, 2019).</summary>
public sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    const double Epsilon = 1e-5;
    [ComponentName(Name = "weight")] readonly Parameter _weight;

    public RmsNorm(int size) : base(nameof(RmsNorm))
    {
        _weight = new Parameter(ones(size));
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) =>
        input * rsqrt(input.square().mean([-1], keepdim: true) + Epsilon) * _weight;
}
