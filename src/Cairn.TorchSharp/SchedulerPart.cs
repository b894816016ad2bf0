using System.Reflection;
using Cairn.State;
using LRScheduler = TorchSharp.torch.optim.lr_scheduler.LRScheduler;

namespace Cairn.TorchSharp;

/// <summary>
/// A learning-rate scheduler of TorchSharp with the schedulers inside it. Everything it counts and was configured with is
/// saved and taken over, as in PyTorch; functions (lambdas, the annealing strategy of OneCycleLR, the scale function of
/// CyclicLR) stay those of the live scheduler. The learning rates of the groups belong to <see cref="OptimizerPart"/>,
/// which must be restored too: most schedulers continue from them. Of the state dict of a scheduler of PyTorch or InternLM only
/// <c>last_epoch</c> is taken.
/// </summary>
/// <param name="scheduler">The scheduler.</param>
/// <param name="name">The part's name.</param>
public sealed class SchedulerPart(LRScheduler scheduler, string name = "scheduler") : ISettingsPart
{
    private readonly LRScheduler _scheduler = scheduler ?? throw new ArgumentNullException(nameof(scheduler));

    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <inheritdoc/>
    /// <exception cref="CheckpointException">A scheduler of the user's own has a field that cannot be saved.</exception>
    public StateMap Capture() => SchedulerFields.ToMap(_scheduler);

    /// <inheritdoc/>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        StateMap live = SchedulerFields.ToMap(_scheduler);
        if (IsOfPyTorch(saved) && live.Values.Any(node => node is StateMap || (node is StateList { Count: > 0 } list && list[0] is StateMap)))
            problems.AddMismatched("type", $"{_scheduler.GetType().Name} as it is saved here: it has schedulers inside, each with a counter of its own", "the state of a scheduler of PyTorch");
        else
            CheckMap(live, FromPyTorch(saved, live), "", problems);
    }

    /// <inheritdoc/>
    /// <exception cref="StateMismatchException">The state does not fit; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        SavedState.RequireFit(this, saved);
        RestoreFields(_scheduler, FromPyTorch(saved, SchedulerFields.ToMap(_scheduler)));
    }

    /// <inheritdoc/>
    public StateMap WithProgramSettings(StateMap saved, ICollection<SettingDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(differences);
        StateMap live = SchedulerFields.ToMap(_scheduler);
        return ProgramSettings.In(Name, "", FromPyTorch(saved, live), live, SchedulerFields.IsSetting, differences);
    }

    // PyTorch's state dicts, and InternLM's, do not say what they are of.
    private static bool IsOfPyTorch(StateMap saved) => !saved.ContainsKey("type") && saved.TryGetValue("last_epoch", out StateNode? node) && node is StateScalar { Value: long };

    // Of such a state only the counter counts: how the rate depends on it is the live scheduler's business.
    private static StateMap FromPyTorch(StateMap saved, StateMap live)
    {
        if (!IsOfPyTorch(saved))
            return saved;
        long epoch = (long)((StateScalar)saved["last_epoch"]).Value!;
        StateMap map = [];
        foreach ((string name, StateNode node) in live)
            map.Add(name, name switch { "last_epoch" => epoch, "step_count" => epoch + 1, _ => node });
        return map;
    }

    private static void CheckMap(StateMap live, StateMap saved, string prefix, RestoreProblems problems)
    {
        if (live.TryGetValue("type", out StateNode? type)
            && !saved.CheckScalar<string>("type", prefix + "type", problems, found => found == (string?)((StateScalar)type).Value, (string?)((StateScalar)type).Value))
            return;
        foreach ((string name, StateNode expected) in live)
        {
            if (!saved.TryGetValue(name, out StateNode? found))
                problems.AddMissing(prefix + name);
            else if (name != "type")
                CheckNode(expected, found, prefix + name, problems);
        }
        saved.CheckUnexpected(live.ContainsKey, prefix, problems);
    }

    private static void CheckNode(StateNode expected, StateNode found, string entry, RestoreProblems problems)
    {
        switch (expected)
        {
            case StateMap map when found is StateMap saved:
                CheckMap(map, saved, entry + ".", problems);
                return;
            // Milestones may be more or fewer than before; schedulers, phases and numbers per group may not.
            case StateList list when found is StateList saved && (list.Count == saved.Count || list.All(IsWhole)):
                if (list.All(IsWhole) && !saved.All(IsWhole))
                    break;
                for (int i = 0; i < Math.Min(list.Count, saved.Count); i++)
                    CheckNode(list[i], saved[i], $"{entry}.{i}", problems);
                return;
            case StateScalar scalar when found is StateScalar saved && SameKind(scalar.Value, saved.Value):
                return;
        }
        problems.AddMismatched(entry, SavedState.Describe(expected), SavedState.Describe(found));
    }

    private static bool IsWhole(StateNode node) => node is StateScalar { Value: >= (long)int.MinValue and <= (long)int.MaxValue };

    private static bool SameKind(object? expected, object? found) => expected switch
    {
        double => found is double or long,
        long => found is >= (long)int.MinValue and <= (long)int.MaxValue,
        _ => expected?.GetType() == found?.GetType(),
    };

    private static void RestoreFields(object owner, StateMap saved)
    {
        foreach ((string name, FieldInfo field) in SchedulerFields.Of(owner))
        {
            switch (field.GetValue(owner), saved[name])
            {
                case (LRScheduler inner, StateMap map):
                    RestoreFields(inner, map);
                    break;
                case (IEnumerable<LRScheduler> inner, StateList list):
                    foreach ((LRScheduler one, StateNode node) in inner.Zip(list))
                        RestoreFields(one, (StateMap)node);
                    break;
                case (IList<double> numbers, StateList list):
                    RestoreNumbers(numbers, list);
                    break;
                case (IList<int>, StateList list):
                    // A new list: the live one may be the caller's own.
                    int[] whole = [.. list.Select(node => checked((int)(long)((StateScalar)node).Value!))];
                    field.SetValue(owner, field.FieldType.IsArray ? whole : whole.ToList());
                    break;
                case (IDictionary<string, List<double>> lists, StateMap map):
                    foreach ((string key, StateNode node) in map)
                        RestoreNumbers(lists[key], (StateList)node);
                    break;
                case (Array records, StateList list) when SchedulerFields.IsRecords(records.GetType()):
                    foreach ((object record, StateNode node) in records.Cast<object>().Zip(list))
                        RestoreFields(record, (StateMap)node);
                    break;
                case (not null, StateScalar scalar):
                    field.SetValue(owner, FromScalar(field.FieldType, scalar.Value));
                    break;
            }
        }
    }

    // In place: SequentialLR shares the list of its first scheduler.
    private static void RestoreNumbers(IList<double> numbers, StateList saved)
    {
        for (int i = 0; i < numbers.Count; i++)
        {
            SavedState.TryRead(saved[i], out double value);
            numbers[i] = value;
        }
    }

    private static object? FromScalar(Type type, object? value) => value switch
    {
        string text when type.IsEnum => Enum.Parse(type, text),
        _ when value is null || value.GetType() == type => value,
        _ => Convert.ChangeType(value, type, provider: null),
    };
}
