using static TorchSharp.torch;

namespace TinyLm.Model;

/// <summary>
/// Rotary positions (Su et al., 2021) in the half-split form of InternLM2. The table is computed, never learned, so it is
/// no buffer and takes no part in a checkpoint.
/// </summary>
public sealed class RotaryTable : IDisposable
{
    readonly Tensor _cosines;
    readonly Tensor _sines;

    public RotaryTable(int headSize, int maxLength, double rotaryBase)
    {
        using var scope = NewDisposeScope();
        var frequencies = pow(rotaryBase, arange(0, headSize, 2, float32) / -headSize);
        var angles = outer(arange(maxLength, float32), frequencies);
        var both = cat([angles, angles], -1);
        _cosines = both.cos().DetachFromDisposeScope();
        _sines = both.sin().DetachFromDisposeScope();
    }

    /// <summary>Rotates <paramref name="heads"/> of shape [batch, heads, length, head size] by their positions.</summary>
    public Tensor Rotate(Tensor heads)
    {
        var length = heads.shape[2];
        var halves = heads.chunk(2, -1);
        var turned = cat([-halves[1], halves[0]], -1);
        return heads * _cosines.narrow(0, 0, length) + turned * _sines.narrow(0, 0, length);
    }

    public void Dispose()
    {
        _cosines.Dispose();
        _sines.Dispose();
    }
}
