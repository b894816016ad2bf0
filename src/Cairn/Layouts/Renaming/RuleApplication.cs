using Cairn.State;

namespace Cairn.Layouts.Renaming;

/// <summary>One application of rules to a map.</summary>
internal sealed class RuleApplication(RenamingRules rules, RenamingParameters parameters, bool strict)
{
    private readonly StateMap _result = [];
    private readonly List<string> _unmatched = [], _collisions = [];
    private readonly Dictionary<string, string> _origins = new(StringComparer.Ordinal);
    // A tied tensor that is cut or joined stays tied: the same operation on the same tensors is the same views.
    private readonly Dictionary<RenamingRule, List<(StateTensor[] From, StateTensor[] To)>> _views = [];

    public StateMap Apply(StateMap model)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach ((string name, StateNode node) in model)
        {
            if (taken.Contains(name))
                continue;
            (RenamingRule Rule, Dictionary<string, string> Captures)? match = Match(name);
            if (match is not { } found)
            {
                _unmatched.Add(name);
                Add(name, node, name);
                continue;
            }
            (RenamingRule rule, Dictionary<string, string> captures) = found;
            string[] inputs = [.. rule.From.Select(pattern => pattern.Fill(captures))];
            StateTensor[] tensors = Inputs(model, rule, inputs);
            taken.UnionWith(inputs);
            StateTensor[] outputs = Make(rule, tensors, inputs);
            for (int i = 0; i < outputs.Length; i++)
                Add(rule.To[i].Fill(captures), outputs[i], name);
        }
        if (strict && _unmatched.Count > 0)
        {
            throw new RenamingException(
                RenamingFault.NoRule, $"No rule of '{rules.Name}' fits {RenamingException.List(_unmatched)}. Add rules, choose others, or let such names stay (not strict).", _unmatched);
        }
        return _collisions.Count == 0 ? _result
            : throw new RenamingException(RenamingFault.Collision, $"The rules of '{rules.Name}' give one name to two tensors: {RenamingException.List(_collisions)}.", _collisions);
    }

    private (RenamingRule, Dictionary<string, string>)? Match(string name)
    {
        foreach (RenamingRule rule in rules.Rules)
        {
            foreach (NamePattern pattern in rule.From)
            {
                if (pattern.Match(name) is { } captures)
                    return (rule, captures);
            }
        }
        return null;
    }

    private StateTensor[] Inputs(StateMap model, RenamingRule rule, string[] names)
    {
        var tensors = new StateTensor[names.Length];
        for (int i = 0; i < names.Length; i++)
        {
            if (!model.TryGetValue(names[i], out StateNode? node))
                throw new RenamingException(RenamingFault.MissingInput, $"The rule {rule} of '{rules.Name}' joins {string.Join(", ", names)}, and '{names[i]}' is not there.", [names[i]]);
            tensors[i] = node as StateTensor
                ?? throw new RenamingException(RenamingFault.NotATensor, $"'{names[i]}' is no tensor; rules are for a flat map of tensors.", [names[i]]);
        }
        return tensors;
    }

    private StateTensor[] Make(RenamingRule rule, StateTensor[] tensors, string[] names)
    {
        if (rule.Operation == TensorOperation.Rename)
            return tensors;
        if (!_views.TryGetValue(rule, out List<(StateTensor[] From, StateTensor[] To)>? made))
            _views.Add(rule, made = []);
        if (made.Find(view => view.From.SequenceEqual(tensors)).To is { } views)
            return views;
        try
        {
            views = rule.Operation switch
            {
                TensorOperation.Drop => [],
                TensorOperation.Split => Split(tensors[0], rule),
                TensorOperation.Concat => [TensorOperations.Concat(tensors, rule.Dimension)],
                TensorOperation.SplitGroupedQkv => Qkv().Split(tensors[0]),
                _ => [Qkv().Merge(tensors)],
            };
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            throw new RenamingException(RenamingFault.WrongShape, $"The rule {rule} of '{rules.Name}' does not fit {string.Join(", ", names)}: {e.Message.TrimEnd('.')}.", names, e);
        }
        made.Add((tensors, views));
        return views;
    }

    private static StateTensor[] Split(StateTensor tensor, RenamingRule rule)
    {
        if (rule.Dimension >= tensor.Shape.Count || tensor.Shape[rule.Dimension] % rule.To.Count != 0)
            throw new FormatException($"{tensor} cannot be cut into {rule.To.Count} equal parts along dimension {rule.Dimension}");
        long length = tensor.Shape[rule.Dimension] / rule.To.Count;
        return [.. rule.To.Select((_, i) => tensor.Narrow(rule.Dimension, i * length, length))];
    }

    private FusedQkv Qkv()
    {
        long heads = Number("heads"), keyValueHeads = Number("kv_heads", heads);
        if (heads < 1 || keyValueHeads < 1 || heads % keyValueHeads != 0)
            throw new FormatException($"{heads} query heads cannot share {keyValueHeads} key heads");
        return new FusedQkv(heads, keyValueHeads, Interleaved: !Flag("half_rotary", true));
    }

    private long Number(string name, long? otherwise = null) => Value(name) switch
    {
        long value => value,
        null when otherwise is { } value => value,
        null => throw Missing(name, "a whole number"),
        object other => throw new FormatException($"the parameter {name} is {other}, not a whole number"),
    };

    private bool Flag(string name, bool otherwise) => Value(name) switch
    {
        bool value => value,
        null => otherwise,
        object other => throw new FormatException($"the parameter {name} is {other}, not true or false"),
    };

    private object? Value(string name) => parameters.Find(Names(name));

    private IReadOnlyList<string> Names(string name) => rules.Parameters.TryGetValue(name, out IReadOnlyList<string>? names) ? names : [name];

    private RenamingException Missing(string name, string kind) => new(
        RenamingFault.MissingParameter,
        $"The rules of '{rules.Name}' need {kind} '{name}', and no configuration has it (looked for {string.Join(", ", Names(name))}). Give it: {name}=…", [name]);

    private void Add(string name, StateNode node, string origin)
    {
        if (_origins.TryAdd(name, origin))
            _result.Add(name, node);
        else
            _collisions.Add($"{name} (of {_origins[name]} and {origin})");
    }
}
