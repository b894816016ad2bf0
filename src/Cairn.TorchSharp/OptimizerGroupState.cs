using System.Reflection;
using Cairn.State;
using TorchSharp.Modules;

namespace Cairn.TorchSharp;

/// <summary>The options of one group of an optimizer's parameters: learning rate, weight decay and their kin, by PyTorch's names.</summary>
internal static class OptimizerGroupState
{
    /// <summary>The saved form.</summary>
    public static StateMap Capture(OptimizerOptions options, IReadOnlyList<string> parameters)
    {
        StateMap map = new() { { "lr", options.LearningRate ?? 0 }, { "initial_lr", options.InitialLearningRate } };
        foreach ((string name, FieldInfo[] fields) in Named(options))
        {
            StateNode[] values = [.. fields.Select(field => ToNode(field.GetValue(options)))];
            map.Add(name, values.Length == 1 ? values[0] : new StateList(values));
        }
        map.Add("params", new StateList(parameters.Select(parameter => (StateNode)parameter)));
        return map;
    }

    /// <summary>Compares a saved form with what the options can take.</summary>
    public static void Check(OptimizerOptions options, IReadOnlyList<string> parameters, StateMap saved, string prefix, RestoreProblems problems)
    {
        saved.CheckScalar<double>("lr", prefix + "lr", problems);
        saved.CheckScalar<double>("initial_lr", prefix + "initial_lr", problems);
        HashSet<string> known = new(StringComparer.Ordinal) { "lr", "initial_lr", "params" };
        foreach ((string name, FieldInfo[] fields) in Named(options))
        {
            known.Add(name);
            if (fields.Length == 1 && OptimizerFields.ValueType(fields[0]) == typeof(bool))
                saved.CheckScalar<bool>(name, prefix + name, problems);
            else if (fields.Length == 1)
                saved.CheckScalar<double>(name, prefix + name, problems);
            else if (!saved.TryGetValue(name, out StateNode? node))
                problems.AddMissing(prefix + name);
            else if (node is not StateList list || list.Count != fields.Length || !list.All(value => SavedState.TryRead(value, out double _)))
                problems.AddMismatched(prefix + name, $"{fields.Length} numbers", SavedState.Describe(node));
        }
        if (!saved.TryGetValue("params", out StateNode? listed) || listed is not StateList names)
            problems.AddMissing(prefix + "params");
        // In any order: what is saved goes by name, and other programs list modules in another order.
        else if (!names.Select(item => (item as StateScalar)?.Value as string).Order(StringComparer.Ordinal).SequenceEqual(parameters.Order(StringComparer.Ordinal), StringComparer.Ordinal))
            problems.AddMismatched(prefix + "params", string.Join(", ", parameters), string.Join(", ", names.Select(SavedState.Describe)));
        saved.CheckUnexpected(known.Contains, prefix, problems);
    }

    /// <summary>Takes over a saved form that was checked.</summary>
    public static void Restore(OptimizerOptions options, StateMap saved)
    {
        options.LearningRate = saved.Read<double>("lr");
        options.InitialLearningRate = saved.Read<double>("initial_lr");
        foreach ((string name, FieldInfo[] fields) in Named(options))
        {
            for (int i = 0; i < fields.Length; i++)
            {
                StateNode value = fields.Length == 1 ? saved[name] : ((StateList)saved[name])[i];
                if (OptimizerFields.ValueType(fields[i]) == typeof(bool))
                    fields[i].SetValue(options, saved.Read<bool>(name));
                else if (SavedState.TryRead(value, out double number))
                    fields[i].SetValue(options, number);
            }
        }
    }

    /// <summary>The saved options with the program's in their place, but for those that the moments depend on; each that differs is reported.</summary>
    public static StateMap WithProgramSettings(string part, string prefix, StateMap saved, StateMap own, ICollection<SettingDifference> differences)
    {
        StateMap result = ProgramSettings.In(part, prefix, saved, own, name => name is not ("lr" or "params") && !IsStructure(name, saved, own), differences);
        foreach (string name in saved.Keys.Where(name => IsStructure(name, saved, own)))
            differences.Add(new SettingDifference(part, prefix + name, ProgramSettings.Text(saved[name]), ProgramSettings.Text(own[name])) { Only = SettingsSource.Saved });
        // The rate itself is what a scheduler has made of the initial one.
        (double was, double now, double rate) = (saved.Read<double>("initial_lr"), own.Read<double>("initial_lr"), saved.Read<double>("lr"));
        if (!was.Equals(now))
            result["lr"] = was == 0 ? now : rate * (now / was);
        return result;
    }

    // What moments there are depends on these, and moments that were never made cannot be taken over.
    private static bool IsStructure(string name, StateMap saved, StateMap own) =>
        own.TryGetValue(name, out StateNode? live) && saved.TryGetValue(name, out StateNode? node) && !ProgramSettings.AreSame(node, live)
        && (name is "amsgrad" or "centered" || (name == "momentum" && SavedState.TryRead(node, out double before) && SavedState.TryRead(live, out double after) && before == 0 != (after == 0)));

    // beta1 and beta2 go by PyTorch's name, betas.
    private static IEnumerable<(string Name, FieldInfo[] Fields)> Named(OptimizerOptions options) =>
        OptimizerFields.OfOptions(options)
            .GroupBy(field => field.Name is "beta1" or "beta2" ? "betas" : field.Name, (name, fields) => (name, fields.ToArray()), StringComparer.Ordinal);

    private static StateNode ToNode(object? value) => value switch
    {
        bool flag => flag,
        double number => number,
        _ => StateScalar.Null,
    };
}
