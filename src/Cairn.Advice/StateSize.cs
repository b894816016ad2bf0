using Cairn.State;

namespace Cairn.Advice;

/// <summary>What an optimizer keeps for each parameter, in 32-bit floats.</summary>
public enum OptimizerKind
{
    /// <summary>Nothing is saved, or there is no optimizer: weights only.</summary>
    None,
    /// <summary>SGD without momentum: nothing per parameter.</summary>
    Sgd,
    /// <summary>SGD with momentum: one value.</summary>
    Momentum,
    /// <summary>Adagrad: one value.</summary>
    Adagrad,
    /// <summary>RMSprop: one value.</summary>
    RmsProp,
    /// <summary>Lion: one value.</summary>
    Lion,
    /// <summary>Adam: two values.</summary>
    Adam,
    /// <summary>AdamW: two values.</summary>
    AdamW,
}

/// <summary>Estimates the bytes of a training state.</summary>
public static class StateSize
{
    private const int SingleBytes = 4;

    /// <summary>Values of 32 bits that the optimizer keeps for each parameter.</summary>
    public static int ValuesPerParameter(OptimizerKind optimizer) => optimizer switch
    {
        OptimizerKind.None or OptimizerKind.Sgd => 0,
        OptimizerKind.Momentum or OptimizerKind.Adagrad or OptimizerKind.RmsProp or OptimizerKind.Lion => 1,
        OptimizerKind.Adam or OptimizerKind.AdamW => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(optimizer), optimizer, "Not an optimizer."),
    };

    /// <summary>
    /// Bytes of weights and optimizer state. In mixed precision (weights narrower than 32 bits, and an optimizer) a 32-bit master copy of the
    /// weights counts too: AdamW on bfloat16 takes 2 + 4 + 8 = 14 bytes for each parameter (S. Rajbhandari et al., "ZeRO: Memory
    /// optimizations toward training trillion parameter models", SC20, section 3.1, without the gradients, which are not saved).
    /// Buffers, sampler and counters are small and left out.
    /// </summary>
    /// <param name="parameters">Number of parameters.</param>
    /// <param name="type">Type of the weights.</param>
    /// <param name="optimizer">The optimizer.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="parameters"/> is not positive.</exception>
    /// <exception cref="OverflowException">The size does not fit 64 bits.</exception>
    public static long Of(long parameters, TensorType type, OptimizerKind optimizer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parameters, 1);
        bool mixed = type.BitsPerElement() < 8 * SingleBytes && optimizer != OptimizerKind.None;
        long singles = ValuesPerParameter(optimizer) + (mixed ? 1 : 0);
        return checked((long)(((Int128)parameters * type.BitsPerElement() + 7) / 8 + (Int128)parameters * singles * SingleBytes));
    }
}
