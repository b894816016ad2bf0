using System.Collections.ObjectModel;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Cairn.State;

namespace Cairn;

// The saved form uses InternLM's keys with InternLM's meaning, so that one reader serves both and its context.pt needs no
// translation. There `batch_count` is the index of the last batch, counted from 0: hence the ± 1 here and nowhere else.
public sealed partial class TrainState
{
    private const string BatchCount = "batch_count", StepCount = "step_count", Skipped = "inf_nan_skip_batches",
        InEpoch = "num_consumed_samples_in_epoch", Samples = "num_consumed_samples", Tokens = "num_consumed_tokens",
        LogFolderKey = "tensorboard_folder", Total = "total_steps", EpochKey = "epoch", Reasons = "skips_by_reason",
        Loss = "last_loss", LearningRate = "last_learning_rate", MetricsKey = "metrics", EarlierMetrics = "earlier_metrics", MetricValue = "value", MetricStep = "step", ValuesKey = "values";

    private static readonly string[] Counters =
        [BatchCount, StepCount, Skipped, InEpoch, Samples, Tokens, LogFolderKey, Total, EpochKey, Reasons, Loss, LearningRate, MetricsKey, EarlierMetrics];

    private static int MostValueBytes => Array.MaxLength;

    /// <summary>The part's name: <c>context</c>.</summary>
    public string Name => PartName;

    /// <summary>The part's name.</summary>
    internal const string PartName = "context";

    /// <summary><see langword="true"/>: what the user keeps in <see cref="Values"/> may come and go.</summary>
    public bool MayShrink => true;

    /// <summary>
    /// The saved form. Its keys are InternLM's where InternLM has the value; <c>batch_count</c> is, as there, the index of
    /// the last batch: <see cref="Batch"/> − 1. What is not known (for example no loss yet) is left out.
    /// </summary>
    /// <exception cref="CheckpointException">A tensor of <see cref="Values"/> is larger than 2 GiB, and could not be restored.</exception>
    public StateMap Capture()
    {
        StateMap map = CaptureCounters();
        map[ValuesKey] = Copied(Values, static (tensor, path) => CanHold(tensor) ? tensor : throw new CheckpointException(
            $"The tensor '{path}' in TrainState.Values takes {tensor.ByteLength} bytes, and {MostValueBytes} are the most that can be restored there. Save it in a part of its own (IStatePart)."));
        return map;
    }

    /// <summary>The saved form without <see cref="Values"/>, as it stands in a copy's marker: small, and without tensors.</summary>
    internal StateMap CaptureCounters()
    {
        StateMap map = new()
        {
            [BatchCount] = Batch - 1,
            [StepCount] = Step,
            [Skipped] = SkippedBatches,
            [InEpoch] = SamplesInEpoch,
            [Samples] = ConsumedSamples,
            [Tokens] = ConsumedTokens,
            [EpochKey] = Epoch,
            [Reasons] = MapOf(_skipsByReason, static count => count),
            [MetricsKey] = MapOf(OwnMetrics, static value => value),
        };
        StateMap earlier = MapOf(_metrics.Steps.Where(entry => entry.Value.Step != _step), static entry => new StateMap { [MetricValue] = entry.Value, [MetricStep] = entry.Step });
        if (earlier.Count > 0)
            map[EarlierMetrics] = earlier;
        if (TotalSteps is { } total)
            map[Total] = total;
        if (LastLoss is { } loss)
            map[Loss] = loss;
        if (LastLearningRate is { } learningRate)
            map[LearningRate] = learningRate;
        if (LogFolder is not null)
            map[LogFolderKey] = LogFolder;
        return map;
    }

    /// <summary>Compares a saved form with what can be taken over. Only <c>batch_count</c> must be there; keys that are not known are ignored.</summary>
    public void Check(StateMap saved, RestoreProblems problems)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(problems);
        if (!saved.ContainsKey(BatchCount))
            problems.AddMissing($"{Name}.{BatchCount}");
        CheckEach(saved, [BatchCount], "an integer of at least -1", node => IntegerOf(node) is >= -1 and < long.MaxValue, problems);
        CheckEach(saved, [StepCount, Skipped, InEpoch, Samples, Tokens, EpochKey], "an integer of at least 0", node => IntegerOf(node) >= 0, problems);
        CheckEach(saved, [Total], "an integer of at least 0, or null", node => IsNull(node) || IntegerOf(node) >= 0, problems);
        CheckEach(saved, [Loss, LearningRate], "a number, or null", node => IsNull(node) || NumberOf(node) is not null, problems);
        CheckEach(saved, [LogFolderKey], "a string, or null", node => node is StateScalar { Value: string or null }, problems);
        CheckEach(saved, [Reasons], "a map of counts", node => node is StateMap map && map.Values.All(count => IntegerOf(count) >= 0), problems);
        CheckEach(saved, [MetricsKey], "a map of numbers", node => node is StateMap map && map.Values.All(value => NumberOf(value) is not null), problems);
        CheckEach(saved, [EarlierMetrics], "a map of numbers and steps", node => node is StateMap map && map.Values.All(entry => EarlierOf(entry) is not null), problems);
        CheckEach(saved, [ValuesKey], "a map of values, and of tensors of at most 2 GiB", node => node is StateMap && TensorsIn(node).All(CanHold), problems);
    }

    /// <summary>
    /// Takes over a saved form, InternLM's <c>context.pt</c> included. A key that an old file lacks gets its default:
    /// <see cref="Step"/> becomes <see cref="Batch"/> (which for InternLM's files is the saved <c>batch_count</c> + 1), counts become 0,
    /// <see cref="ConsumedSamples"/> becomes <see cref="SamplesInEpoch"/>, skips without a reason count as <see cref="OverflowReason"/>.
    /// <see cref="TotalSteps"/> is taken only where none is configured.
    /// </summary>
    /// <exception cref="StateMismatchException">It does not pass <see cref="Check"/>; nothing was changed.</exception>
    public void Restore(StateMap saved)
    {
        PartFit.Require(this, saved, " Resume from another checkpoint.");

        _batch = CountIn(saved, BatchCount)!.Value + 1;
        _step = CountIn(saved, StepCount) ?? _batch;
        _skippedBatches = CountIn(saved, Skipped) ?? 0;
        _samplesInEpoch = CountIn(saved, InEpoch) ?? 0;
        _consumedSamples = CountIn(saved, Samples) ?? _samplesInEpoch;
        _consumedTokens = CountIn(saved, Tokens) ?? 0;
        _epoch = CountIn(saved, EpochKey) ?? 0;
        TotalSteps ??= CountIn(saved, Total);
        LastLoss = saved.TryGetValue(Loss, out StateNode? loss) ? NumberOf(loss) : null;
        LastLearningRate = saved.TryGetValue(LearningRate, out StateNode? learningRate) ? NumberOf(learningRate) : null;
        if (saved.TryGetValue(LogFolderKey, out StateNode? folder) && folder is StateScalar { Value: string path })
            LogFolder = path;
        // The file that a saved tensor is read from is closed after the restore.
        Values = saved.TryGetValue(ValuesKey, out StateNode? values) ? Copied((StateMap)values, static (tensor, _) => InMemory(tensor)) : new StateMap();

        _skipsByReason.Clear();
        if (saved.TryGetValue(Reasons, out StateNode? reasons))
        {
            foreach ((string reason, StateNode count) in (StateMap)reasons)
                _skipsByReason[reason] = IntegerOf(count)!.Value;
        }
        else if (_skippedBatches > 0)
        {
            _skipsByReason[OverflowReason] = _skippedBatches;
        }

        Metrics.Clear();
        if (saved.TryGetValue(MetricsKey, out StateNode? metrics))
        {
            foreach ((string metric, StateNode value) in (StateMap)metrics)
                Metrics[metric] = NumberOf(value)!.Value;
        }
        if (saved.TryGetValue(EarlierMetrics, out StateNode? earlier))
        {
            foreach ((string metric, StateNode entry) in (StateMap)earlier)
            {
                (double value, long step) = EarlierOf(entry)!.Value;
                _metrics.Set(metric, value, step);
            }
        }
    }

    /// <summary>Reports another planned end than the saved one. The program's holds, when it has one: to train longer is no change of what was trained.</summary>
    public StateMap WithProgramSettings(StateMap saved, ICollection<SettingDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(saved);
        ArgumentNullException.ThrowIfNull(differences);
        if (TotalSteps is { } own && CountIn(saved, Total) is { } before && own != before)
            differences.Add(new SettingDifference(Name, Total, before.ToString(CultureInfo.InvariantCulture), own.ToString(CultureInfo.InvariantCulture)) { Only = SettingsSource.Program });
        return saved;
    }

    /// <summary>The counters that a saved form holds.</summary>
    /// <exception cref="StateMismatchException">It does not pass <see cref="Check"/>.</exception>
    public static TrainState FromState(StateMap saved)
    {
        TrainState state = new();
        state.Restore(saved);
        return state;
    }

    /// <summary>The counters that a saved form holds, where they are in order.</summary>
    internal static bool TryFromState(StateMap saved, [NotNullWhen(true)] out TrainState? state)
    {
        state = new TrainState();
        RestoreProblems problems = new();
        state.Check(saved, problems);
        if (problems.None)
            state.Restore(saved);
        else
            state = null;
        return state is not null;
    }

    /// <summary>The measurements of the saved step; none where the saved form is no counters in order, as in a copy that was converted from a file without any.</summary>
    internal static IReadOnlyDictionary<string, double> OwnMetricsIn(StateMap saved) =>
        TryFromState(saved, out TrainState? state) ? state.OwnMetrics : ReadOnlyDictionary<string, double>.Empty;

    /// <summary>Whether a key of the saved form is one of the counters; the rest is not understood here, and kept.</summary>
    internal static bool IsCounter(string key) => Counters.Contains(key, StringComparer.Ordinal);

    private void CheckEach(StateMap saved, ReadOnlySpan<string> keys, string expected, Func<StateNode, bool> isGood, RestoreProblems problems)
    {
        foreach (string key in keys)
        {
            if (saved.TryGetValue(key, out StateNode? node) && !isGood(node))
                problems.AddMismatched($"{Name}.{key}", expected, Describe(node));
        }
    }

    private static string Describe(StateNode node) => node switch
    {
        StateScalar { Value: null } => "null",
        StateScalar { Value: string } => "a string",
        StateScalar scalar => Convert.ToString(scalar.Value, CultureInfo.InvariantCulture)!,
        StateMap => "a map",
        StateList => "a list",
        _ => node.ToString()!,
    };

    private static bool IsNull(StateNode node) => node is StateScalar { Value: null };

    private static long? IntegerOf(StateNode node) => (node as StateScalar)?.Value as long?;

    // JSON may write 1.0 as 1.
    private static double? NumberOf(StateNode node) => (node as StateScalar)?.Value switch
    {
        double number => number,
        long number => number,
        _ => null,
    };

    private static (double Value, long Step)? EarlierOf(StateNode node) =>
        node is StateMap map && map.TryGetValue(MetricValue, out StateNode? value) && NumberOf(value) is { } number && CountIn(map, MetricStep) is >= 0 and { } step ? (number, step) : null;

    private static long? CountIn(StateMap map, string key) => map.TryGetValue(key, out StateNode? node) ? IntegerOf(node) : null;

    private static StateMap MapOf<T>(IEnumerable<KeyValuePair<string, T>> values, Func<T, StateNode> toNode)
    {
        StateMap map = new();
        foreach ((string name, T value) in values)
            map.Add(name, toNode(value));
        return map;
    }

    private static bool CanHold(StateTensor tensor) => tensor.ByteLength <= MostValueBytes;

    private static IEnumerable<StateTensor> TensorsIn(StateNode node) => node switch
    {
        StateMap map => map.Values.SelectMany(TensorsIn),
        StateList list => list.SelectMany(TensorsIn),
        StateTensor tensor => [tensor],
        _ => [],
    };

    private static MemoryTensor InMemory(StateTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        tensor.CopyTo(0, bytes);
        return new MemoryTensor(tensor.Type, [.. tensor.Shape], bytes);
    }

    // Maps and lists are new; a tensor that stands in two places becomes one that does.
    private static StateMap Copied(StateMap values, Func<StateTensor, string, StateTensor> copy)
    {
        var done = new Dictionary<StateTensor, StateTensor>(ReferenceEqualityComparer.Instance);
        return (StateMap)Copied(values, "", 1);

        StateNode Copied(StateNode node, string path, int depth)
        {
            // Also what holds itself ends here.
            if (depth > ValuesWriter.MaxDepth)
                throw new CheckpointException($"TrainState.Values is nested more than {ValuesWriter.MaxDepth} levels deep, or holds itself, at '{path}'. Make it flatter.");
            switch (node)
            {
                case StateMap map:
                    StateMap entries = new();
                    foreach ((string key, StateNode child) in map)
                        entries.Add(key, Copied(child, $"{path}/{key}", depth + 1));
                    return entries;
                case StateList list:
                    return new StateList(list.Select((item, i) => Copied(item, $"{path}/{i.ToString(CultureInfo.InvariantCulture)}", depth + 1)));
                case StateTensor tensor:
                    if (!done.TryGetValue(tensor, out StateTensor? copied))
                        done.Add(tensor, copied = copy(tensor, path));
                    return copied;
                default:
                    return node;
            }
        }
    }
}
