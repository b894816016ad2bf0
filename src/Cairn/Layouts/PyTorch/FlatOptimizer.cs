using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>
/// An optimizer whose state is one flat map, as torchtitan saves it so that a job of another size reads it: <c>state.NAME.KEY</c> and <c>param_groups.NAME.KEY</c> for each parameter, after
/// <see href="https://pytorch.org/docs/stable/distributed.checkpoint.html">StateDictOptions.flatten_optimizer_state_dict</see>.
/// </summary>
internal static class FlatOptimizer
{
    private const string State = "state.", Groups = "param_groups.", Parameters = "params";

    /// <summary>
    /// Puts it together as PyTorch's optimizers have it: <c>state</c> by the parameter's name, and <c>param_groups</c> of the parameters that have the same settings; <see langword="null"/> when it is not of this form.
    /// </summary>
    public static StateMap? TryUnflatten(StateMap flat)
    {
        if (flat.Count == 0 || !flat.Keys.All(key => Split(key, State) is not null || Split(key, Groups) is not null))
            return null;
        StateMap state = [];
        var settings = new OrderedDictionary<string, StateMap>(StringComparer.Ordinal);
        foreach ((string key, StateNode node) in flat)
        {
            if (Split(key, State) is var (parameter, entry))
                Entry(state, parameter).Add(entry, node);
            else if (Split(key, Groups) is var (member, setting))
                (settings.TryGetValue(member, out StateMap? of) ? of : settings[member] = []).Add(setting, node);
        }
        var groups = new StateList(settings.GroupBy(member => StateDigest.Of(member.Value), StringComparer.Ordinal).Select(group =>
        {
            StateMap of = group.First().Value;
            of[Parameters] = new StateList(group.Select(member => (StateNode)member.Key));
            return of;
        }));
        return new StateMap { ["state"] = state, ["param_groups"] = groups };
    }

    /// <summary>The other way: the flat map of an optimizer whose state goes by the names of its parameters.</summary>
    /// <param name="stateDict">The two maps <c>state</c> and <c>param_groups</c>.</param>
    /// <exception cref="ArgumentException">The parameters have no names, or it is not of this form.</exception>
    public static TorchMap Flatten(TorchMap stateDict)
    {
        var flat = new TorchMap();
        if (stateDict.Find("state") is not TorchMap states || stateDict.Find("param_groups") is not TorchList groups)
            throw new ArgumentException("The optimizer's state has no 'state' and 'param_groups', so it cannot be made flat. Leave the part out, or take another form.", nameof(stateDict));
        foreach (TorchMap group in groups.OfType<TorchMap>())
        {
            foreach (TorchValue parameter in group.Find(Parameters) as TorchList ?? new TorchList(TorchListKind.List))
            {
                if (parameter is not TorchScalar { Value: string name })
                    throw new ArgumentException("The optimizer's state goes by the numbers of its parameters, and a flat one goes by their names, which it does not have. Leave the part out, or take another form.", nameof(stateDict));
                foreach ((TorchValue entry, TorchValue value) in states.Find(name) as TorchMap ?? [])
                    flat.Add($"{State}{name}.{entry}", value);
                foreach ((TorchValue setting, TorchValue value) in group)
                {
                    if (setting is not TorchScalar { Value: Parameters })
                        flat.Add($"{Groups}{name}.{setting}", value);
                }
            }
        }
        return flat;
    }

    /// <summary>The map of this name in another one, which is made when it is not there.</summary>
    public static StateMap Entry(StateMap map, string name)
    {
        if (map.TryGetValue(name, out StateNode? found))
            return (StateMap)found;
        StateMap made = [];
        map.Add(name, made);
        return made;
    }

    // A parameter's name has dots, the names of entries and settings have none.
    private static (string Parameter, string Entry)? Split(string key, string prefix) =>
        key.StartsWith(prefix, StringComparison.Ordinal) && key.LastIndexOf('.') is var dot && dot > prefix.Length && dot < key.Length - 1 ? (key[prefix.Length..dot], key[(dot + 1)..]) : null;
}
