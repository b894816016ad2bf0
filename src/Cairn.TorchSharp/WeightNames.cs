using System.IO.Enumeration;
using System.Text;
using System.Text.Json.Nodes;
using Cairn.Conversion;
using Cairn.Layouts.Renaming;
using Cairn.State;

namespace Cairn.TorchSharp;

/// <summary>Brings the names of a file to those of a module, and says which of them are meant.</summary>
internal static class WeightNames
{
    // What wraps a module, anywhere within it: torch.compile, FSDP, activation checkpointing.
    private static readonly string[] Wrappers = ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];
    // What stands before all names: DataParallel and DeepSpeed, Lightning, PEFT.
    private const string DataParallel = "module.";
    private static readonly string[] Prefixes = [DataParallel, "model.", "base_model.model.", "net.", "network."];

    /// <summary>Whether one of the patterns fits a name.</summary>
    public static bool Fits(IReadOnlyList<string> patterns, string name)
    {
        foreach (string pattern in patterns)
        {
            if (FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false))
                return true;
        }
        return false;
    }

    /// <summary>The map under the module's names.</summary>
    public static StateMap Renamed(StateMap saved, IReadOnlyCollection<string> own, LoadWeightsOptions options, WeightsSource source, List<string> notes)
    {
        if (options.StripPrefix == LoadWeightsOptions.Auto)
        {
            (saved, string taken) = AutoStripped(saved, own, hasRules: options.Rename.Count > 0 || options.Rules is not null);
            if (taken.Length > 0)
                notes.Add($"taken off the names: {taken}");
        }
        else if (options.StripPrefix is { Length: > 0 } prefix)
        {
            if (!saved.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal)))
                throw new CheckpointException($"No name in {source.Shown} begins with the StripPrefix '{prefix}'; one is {saved.Keys.FirstOrDefault() ?? "none"}. Correct it, or leave it out.") { Path = source.Shown };
            saved = WithNames(saved, [.. saved.Keys.Select(name => Stripped(name, prefix))])
                ?? throw new CheckpointException($"In {source.Shown} names with the StripPrefix '{prefix}' and names without it are the same tensor's. Leave one kind out by Take or Leave, or use Rename.") { Path = source.Shown };
        }
        if (options.Rename.Count > 0)
            saved = Applied(Simple(options.Rename), saved, new RenamingParameters(), isStrict: false);
        if (options.Rules is { } rules)
        {
            RenamingParameters parameters = new();
            foreach ((string name, string value) in options.RuleParameters)
                parameters = parameters.With($"{name}={value}");
            saved = Applied(RenamingRules.Load(rules), saved, parameters.Or(SourceConfiguration.Of(source.Opened).Parameters), options.Strict);
        }
        return saved;
    }

    /// <summary>The map with what wrappers put before its names taken off, where more of them then are the module's own; and what that was.</summary>
    public static (StateMap Map, string Taken) AutoStripped(StateMap saved, IReadOnlyCollection<string> own, bool hasRules)
    {
        const int MostPrefixes = 3;
        HashSet<string> wanted = [.. own];
        List<string> wrappers = [];
        string[] names = [.. saved.Keys];
        foreach (string wrapper in Wrappers)
        {
            string[] without = [.. names.Select(name => Without(name, wrapper))];
            if (own.Any(name => Without(name, wrapper) != name) || without.SequenceEqual(names, StringComparer.Ordinal))
                continue;
            names = without;
            wrappers.Add(wrapper);
        }
        // Of names that rules still change nothing can be told, but that no name of a module begins as DataParallel has them all begin.
        if (hasRules && names.Length > 0 && Array.TrueForAll(names, static name => name.StartsWith(DataParallel, StringComparison.Ordinal)))
        {
            names = [.. names.Select(static name => Stripped(name, DataParallel))];
            wrappers.Add(DataParallel);
        }
        (string[] Names, string[] Taken, int Matches) best = (names, [], names.Count(wanted.Contains));
        Try(names, []);
        string[] taken = [.. wrappers, .. best.Taken];
        return taken.Length > 0 && WithNames(saved, best.Names) is { } map ? (map, string.Join(", ", taken)) : (saved, "");

        void Try(string[] from, string[] before)
        {
            foreach (string prefix in Prefixes)
            {
                string[] without = [.. from.Select(name => Stripped(name, prefix))];
                if (before.Length == MostPrefixes || without.SequenceEqual(from, StringComparer.Ordinal))
                    continue;
                string[] so = [.. before, prefix];
                int matches = without.Count(wanted.Contains);
                if (matches > best.Matches)
                    best = (without, so, matches);
                Try(without, so);
            }
        }
    }

    private static string Stripped(string name, string prefix) => name.Length > prefix.Length && name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;

    // Whole components only: 'my_orig_mod.' is a name of its own.
    private static string Without(string name, string wrapper)
    {
        int at;
        while ((at = name.StartsWith(wrapper, StringComparison.Ordinal) ? 0 : name.IndexOf('.' + wrapper, StringComparison.Ordinal)) >= 0)
            name = at == 0 && name.StartsWith(wrapper, StringComparison.Ordinal) ? name[wrapper.Length..] : name.Remove(at + 1, wrapper.Length);
        return name;
    }

    // Nothing where two names fall together.
    private static StateMap? WithNames(StateMap saved, string[] names)
    {
        StateMap result = [];
        int i = 0;
        foreach (StateNode node in saved.Values)
        {
            if (result.ContainsKey(names[i]))
                return null;
            result.Add(names[i++], node);
        }
        return result;
    }

    // Rules are for tensors; what else there is keeps its name.
    private static StateMap Applied(RenamingRules rules, StateMap saved, RenamingParameters parameters, bool isStrict)
    {
        StateMap tensors = [], result;
        foreach ((string name, StateNode node) in saved)
        {
            if (node is StateTensor)
                tensors.Add(name, node);
        }
        result = rules.Apply(tensors, parameters, isStrict);
        foreach ((string name, StateNode node) in saved)
        {
            if (node is not StateTensor)
                result[name] = node;
        }
        return result;
    }

    private static RenamingRules Simple(IReadOnlyList<(string From, string To)> pairs) => RenamingRules.Parse(
        Encoding.UTF8.GetBytes(new JsonObject { ["rules"] = new JsonArray([.. pairs.Select(pair => (JsonNode)new JsonObject { ["from"] = pair.From, ["to"] = pair.To })]) }.ToJsonString()), "Rename");
}
