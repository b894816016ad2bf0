using Cairn.State;

namespace Cairn.Formats.Torch;

/// <summary>
/// The tensors of a whole module, as <c>torch.save(model)</c> saves it, by the names and in the order of its <c>state_dict()</c>: parameters, buffers that are persistent, then those
/// of its modules, with a point between. Source: <c>Module._save_to_state_dict</c> in <c>torch/nn/modules/module.py</c>.
/// </summary>
internal sealed class ModuleTensors
{
    // A module that is shared stands at several places, each with a name as long as the way to it.
    private const long FreeCharacters = 1 << 20, CharactersPerTensor = 256;

    // An object within one that is no module after all is looked at again.
    private const int MostFailures = 16;

    private long _characters, _tensors;
    private int _failures;

    /// <summary>The tensors; <see langword="null"/> for an object that is no module, or one without a tensor.</summary>
    public StateMap? Of(TorchObject made)
    {
        if (_failures == MostFailures || !IsModule(made))
            return null;
        StateMap state = [];
        bool isWhole = Add(made, "", state);
        if (!isWhole)
            _failures++;
        return isWhole && state.Count > 0 ? state : null;
    }

    private static bool IsModule(TorchObject made) => made.State is TorchMap attributes && attributes.Find("_modules") is TorchMap && attributes.Find("_parameters") is TorchMap;

    private bool Add(TorchObject module, string prefix, StateMap state)
    {
        // Quantized modules keep their weights packed in an attribute, and say by a method of their own what their state_dict() is.
        if (module.State is not TorchMap attributes || !IsModule(module) || module.Type.ToString().Contains(".quantized.", StringComparison.Ordinal))
            return false;
        var skipped = attributes.Find("_non_persistent_buffers_set") as TorchList;
        HashSet<TorchValue> transient = skipped is { Count: > 0 } ? [.. skipped] : [];
        return AddTensors((TorchMap)attributes["_parameters"], [], prefix, state)
            && (attributes.Find("_buffers") is not TorchMap buffers || AddTensors(buffers, transient, prefix, state))
            && AddModules((TorchMap)attributes["_modules"], prefix, state);
    }

    private bool AddTensors(TorchMap tensors, HashSet<TorchValue> transient, string prefix, StateMap state)
    {
        foreach ((TorchValue key, TorchValue value) in tensors)
        {
            // None stands for a bias that the module has not.
            if (value is not TorchTensorValue tensor || transient.Contains(key))
            {
                if (value is TorchTensorValue or TorchScalar { Value: null })
                    continue;
                return false;
            }
            if (Name(prefix, key) is not { } name || state.ContainsKey(name))
                return false;
            state.Add(name, tensor.Data);
            _tensors++;
        }
        return true;
    }

    private bool AddModules(TorchMap modules, string prefix, StateMap state)
    {
        foreach ((TorchValue key, TorchValue value) in modules)
        {
            if (value is TorchScalar { Value: null })
                continue;
            if (value is not TorchObject module || Name(prefix, key) is not { } name || !Add(module, name + ".", state))
                return false;
        }
        return true;
    }

    private string? Name(string prefix, TorchValue key)
    {
        if (key is not TorchScalar { Value: string own })
            return null;
        _characters += prefix.Length + own.Length;
        return _characters > FreeCharacters + (CharactersPerTensor * _tensors) ? null : prefix + own;
    }
}
