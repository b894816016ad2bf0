using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TinyLm;

/// <summary>
/// Gives gradients the range of fp16, as mixed-precision training has it: what is larger than 65,504 becomes infinite and what is
/// smaller than 6e-8 becomes zero. The model itself stays fp32, which is faster on a processor.
/// </summary>
public static class HalfGradients
{
    public static void Round(IEnumerable<Parameter> parameters)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var gradient in parameters.Select(parameter => parameter.grad).OfType<Tensor>())
        {
            gradient.copy_(gradient.to(float16));
        }
    }
}
