using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// The tensors of a TorchScript program (<c>torch.jit.save</c>) by their dotted names: parameters and buffers, as its <c>state_dict()</c> has them. Its code is not read. Source:
/// <c>torch/csrc/jit/serialization/export_module.cpp</c>.
/// </summary>
internal sealed class ScriptTensors
{
    // A module that is shared stands at several places, each with a name as long as the way to it.
    private const long FreeCharacters = 1 << 20, CharactersPerTensor = 256;

    private long _characters, _tensors;

    /// <summary>Whether an object is a module of a program.</summary>
    public static bool IsModule(TorchObject made) => made is { State: TorchMap, Type.Module: var module } && (module == "__torch__" || module.StartsWith("__torch__.", StringComparison.Ordinal));

    /// <summary>The tensors; <see langword="null"/> for what is no module, or has too long names.</summary>
    public StateMap? Of(TorchObject made)
    {
        StateMap state = [];
        return IsModule(made) && Add(made, "", state, TorchPath.MaxDepth) ? state : null;
    }

    private bool Add(TorchObject module, string prefix, StateMap state, int levels)
    {
        if (levels == 0)
            return false;
        foreach ((TorchValue key, TorchValue value) in (TorchMap)module.State!)
        {
            if (key is not TorchScalar { Value: string own } || value is not (TorchTensorValue or TorchObject))
                continue;
            _characters += prefix.Length + own.Length;
            if (_characters > FreeCharacters + (CharactersPerTensor * _tensors))
                return false;
            if (value is TorchTensorValue tensor && !state.ContainsKey(prefix + own))
            {
                state.Add(prefix + own, tensor.Data);
                _tensors++;
            }
            else if (value is TorchObject inner && IsModule(inner) && !Add(inner, $"{prefix}{own}.", state, levels - 1))
                return false;
        }
        return true;
    }
}
