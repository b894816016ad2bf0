using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TinyLm;

/// <summary>Stand-in until <c>Cairn.TorchSharp.DynamicLossScaler</c> arrives; delete it then.</summary>
public sealed class LossScaler(double scale = 65536, int growthInterval = 100)
{
    bool _finite = true;
    int _finiteInRow;

    /// <summary>The factor that losses are multiplied by.</summary>
    public double Factor { get; private set; } = scale;

    /// <summary>The loss times <see cref="Factor"/>.</summary>
    public Tensor Scale(Tensor loss) => loss * Factor;

    /// <summary>Divides the gradients by <see cref="Factor"/>; false when one is infinite or not a number.</summary>
    public bool Unscale(IEnumerable<Parameter> parameters)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var sum = zeros(1);
        foreach (var gradient in parameters.Select(parameter => parameter.grad).OfType<Tensor>())
        {
            // Zero times infinity or NaN is NaN, zero times anything else is zero.
            sum.add_((gradient * 0).sum());
            gradient.mul_(1 / Factor);
        }
        return _finite = sum.item<float>() == 0;
    }

    /// <summary>Steps the optimizer unless the gradients were not finite; true when it stepped.</summary>
    public bool Step(optim.Optimizer optimizer)
    {
        if (_finite)
        {
            optimizer.step();
        }
        return _finite;
    }

    /// <summary>Halves the factor after an overflow, doubles it after enough finite batches in a row.</summary>
    public void Update()
    {
        if (!_finite)
        {
            (Factor, _finiteInRow) = (Factor / 2, 0);
        }
        else if (++_finiteInRow == growthInterval)
        {
            (Factor, _finiteInRow) = (Factor * 2, 0);
        }
    }
}
