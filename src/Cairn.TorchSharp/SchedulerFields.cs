using System.Collections;
using System.Reflection;
using Cairn.State;
using TorchSharp;
using LRScheduler = TorchSharp.torch.optim.lr_scheduler.LRScheduler;

namespace Cairn.TorchSharp;

/// <summary>
/// The fields of a learning-rate scheduler, or of a plain object inside one, through its whole class hierarchy. TorchSharp
/// gives no other access: all of them are private or internal.
/// </summary>
internal static class SchedulerFields
{
    // What a scheduler has come to, by its name without underscores; everything else is what it was made with.
    private static readonly HashSet<string> Progress = new(StringComparer.OrdinalIgnoreCase)
    {
        "type", "lastepoch", "stepcount", "lastlr", "lastlrs", "best", "cooldowncounter", "numbadepochs", "tcur", "ti", "print", "modeworse",
    };

    /// <summary>Whether a field is what the program made the scheduler with.</summary>
    public static bool IsSetting(string name) => !Progress.Contains(name[(name.LastIndexOf('.') + 1)..].Replace("_", "", StringComparison.Ordinal));

    /// <summary>Values by name without the leading underscore. Functions and references to the optimizer are left out.</summary>
    public static IEnumerable<(string Name, FieldInfo Field)> Of(object owner)
    {
        HashSet<string> seen = new(StringComparer.Ordinal) { "verbose" };
        for (Type? type = owner.GetType(); type is not null && type != typeof(object); type = type.BaseType)
        {
            const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
            foreach (FieldInfo field in type.GetFields(Declared).OrderBy(field => field.MetadataToken))
            {
                string name = field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : field.Name.TrimStart('_');
                if (!IsWiring(field.FieldType) && (seen.Add(name) || (name != "verbose" && seen.Add(name = $"{type.Name}.{name}"))))
                    yield return (name, field);
            }
        }
    }

    public static bool IsSchedulers(Type type) => typeof(IEnumerable<LRScheduler>).IsAssignableFrom(type);

    public static bool IsRecords(Type type) => type.IsArray && type.GetElementType() is { IsClass: true, IsNested: true } element && element != typeof(string);

    /// <summary>The node of a value, or <see langword="null"/> when there is no way to save it.</summary>
    public static StateNode? ToNode(object? value) => value switch
    {
        null => StateScalar.Null,
        bool flag => flag,
        int number => (long)number,
        long number => number,
        float number => (double)number,
        double number => number,
        string text => text,
        Enum symbol => symbol.ToString(),
        LRScheduler scheduler => ToMap(scheduler),
        IEnumerable<LRScheduler> schedulers => new StateList(schedulers.Select(ToMap)),
        IEnumerable<double> numbers => new StateList(numbers.Select(number => (StateNode)number)),
        IEnumerable<int> numbers => new StateList(numbers.Select(number => (StateNode)(long)number)),
        IDictionary<string, List<double>> lists => ToMap(lists),
        Array records when IsRecords(records.GetType()) => new StateList(records.Cast<object>().Select(FieldsToMap)),
        _ => null,
    };

    /// <summary>A scheduler with its type and all fields.</summary>
    public static StateMap ToMap(LRScheduler scheduler)
    {
        StateMap map = new() { { "type", scheduler.GetType().Name } };
        foreach ((string name, StateNode node) in FieldsToMap(scheduler))
            map.Add(name, node);
        return map;
    }

    private static StateMap FieldsToMap(object owner)
    {
        StateMap map = [];
        foreach ((string name, FieldInfo field) in Of(owner))
        {
            map.Add(name, ToNode(field.GetValue(owner)) ?? throw new CheckpointException(
                $"The field '{field.Name}' of {owner.GetType()} is a {field.FieldType}, which cannot be saved. Save this scheduler with an IStatePart of your own."));
        }
        return map;
    }

    private static StateMap ToMap(IDictionary<string, List<double>> lists)
    {
        StateMap map = [];
        foreach ((string name, List<double> numbers) in lists.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            map.Add(name, ToNode(numbers)!);
        return map;
    }

    private static bool IsWiring(Type type)
    {
        if (typeof(Delegate).IsAssignableFrom(type) || typeof(torch.optim.Optimizer).IsAssignableFrom(type))
            return true;
        Type? item = type.IsArray ? type.GetElementType() : type.IsGenericType && typeof(IEnumerable).IsAssignableFrom(type) ? type.GetGenericArguments()[^1] : null;
        return item is not null && (typeof(Delegate).IsAssignableFrom(item) || item == typeof(torch.optim.IBetas) || item == typeof(torch.optim.IMomentum));
    }
}
