using System.IO.Hashing;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Cairn.Peers;

/// <summary>The state as a module of TorchSharp.</summary>
internal sealed class StateModule : nn.Module
{
    public StateModule(IReadOnlyList<long> elements) : base(nameof(StateModule))
    {
        for (int i = 0; i < elements.Count; i++)
            register_parameter($"weight_{i}", new Parameter(rand(elements[i])));
    }

    /// <summary>A training step that changes every value; a second one brings them back.</summary>
    public void Negate() => Change(static tensor => tensor.neg_());

    public void Clear() => Change(static tensor => tensor.zero_());

    /// <summary>Makes this state another than all before it.</summary>
    public void Mark(long number) => Change(tensor => tensor[0] = number);

    /// <summary>A value for the bytes of all parameters.</summary>
    public UInt128 Digest()
    {
        var hash = new XxHash128();
        foreach ((_, Parameter parameter) in named_parameters())
            hash.Append(parameter.bytes);
        return hash.GetCurrentHashAsUInt128();
    }

    private void Change(Action<Tensor> change)
    {
        using var scope = NewDisposeScope();
        using (no_grad())
        {
            foreach ((_, Parameter parameter) in named_parameters())
                change(parameter);
        }
    }
}
