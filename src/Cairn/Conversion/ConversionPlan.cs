using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.PyTorch;
using Cairn.Layouts.Renaming;
using Cairn.State;

namespace Cairn.Conversion;

/// <summary>What a conversion will write, decided before a tensor is read or a file made.</summary>
internal sealed class ConversionPlan
{
    private const string Model = "model", Ema = "ema", Optimizer = "optimizer", Context = "context";

    private ConversionPlan(ConversionTarget target, long step, StateMap counters, IReadOnlyList<string> otherFiles, byte[]? config, IReadOnlyList<string> notes) =>
        (Target, Step, Counters, OtherFiles, Config, Notes) = (target, step, counters, otherFiles, config, notes);

    public ConversionTarget Target { get; }
    public long Step { get; }
    /// <summary>The run's counters, for a marker.</summary>
    public StateMap Counters { get; }
    /// <summary>Files of the source that go along as they are.</summary>
    public IReadOnlyList<string> OtherFiles { get; }
    /// <summary><c>config.json</c> as the weights are now; <see langword="null"/> when it is not written.</summary>
    public byte[]? Config { get; }
    public IReadOnlyList<string> Notes { get; }

    /// <summary>Plans a conversion.</summary>
    /// <param name="source">What is converted.</param>
    /// <param name="configuration">The source's <c>config.json</c> and the numbers of its model, for rules.</param>
    /// <param name="options">How.</param>
    /// <param name="fileName">The name of the file, for <c>torch</c>.</param>
    /// <exception cref="CheckpointException">The options do not fit the source.</exception>
    public static ConversionPlan Of(LoadedCheckpoint source, SourceConfiguration configuration, ConversionOptions options, string fileName)
    {
        var notes = new List<string>(source.Notes);
        if (source.Changes is { } changes)
            notes.Add(changes);
        bool isModel = options.Layout is HuggingFaceLayout.Name or ShardsLayout.Name;
        IReadOnlyList<string> selected = Select(source, options, isModel, notes);
        AddRankNotes(source, selected, notes);
        long step = options.Step ?? source.Source?.Step ?? StepIn(source);
        StateMap counters = source.Source?.Marker?.Train ?? Counts(source, step);
        List<(string Part, StateMap State)> parts = [.. selected.Select(part => (part, Converted(part, source.Load(part), configuration.Parameters, options)))];
        // Any layout but PyTorch's, also one that a user made.
        if (options.Layout != TorchTarget.LayoutName)
        {
            var texts = new NumberedTexts();
            parts = [.. parts.Select(part => (part.Part, texts.Of(part.State)))];
            counters = texts.Of(counters);
            if (texts.Note is { } note)
                notes.Add(note);
        }
        ConversionTarget target = TargetOf(options, step, parts, fileName, notes);
        notes.AddRange(target.Notes);
        IReadOnlyList<string> others = [];
        byte[]? config = null;
        if (isModel)
        {
            others = [.. source.OtherFiles.Where(name => name != ModelFiles.Config)];
            if (configuration.Config is { } json)
                config = options.Rules is null && options.Type is null ? json : ModelConfig.Changed(json, ModelFiles.Config, options.Rules?.Config, options.Type);
            if (source is LoadedModel { FilesNotOfModel: { Count: > 0 } left })
                notes.Add($"left behind, because they hold weights or states that are not these: {string.Join(", ", left)}");
            AddConfigNotes(config, options, notes);
            AddTieNotes(parts[0].State, options, notes);
        }
        else if (source.OtherFiles.Count > 0)
            notes.Add($"left out, because '{options.Layout}' has no place for them: {string.Join(", ", source.OtherFiles)}");
        return new ConversionPlan(target, step, counters, others, config, notes);
    }

    // What a layout cannot hold is found while its files are planned; the message has the entry's place.
    private static ConversionTarget TargetOf(ConversionOptions options, long step, List<(string Part, StateMap State)> parts, string fileName, List<string> notes)
    {
        try
        {
            return options.Layout switch
            {
                HuggingFaceLayout.Name => new HuggingFaceTarget(parts[0].State, options.MaxShardBytes),
                TorchTarget.LayoutName => new TorchTarget(fileName, parts),
                ShardsLayout.Name => new ShardsTarget(parts[0].State, options.Ranks),
                DistributedLayout.Name => new DistributedTarget(DistributedLayout.Plan(DistributedStateDict.Of(options.Form, parts, step, notes), options.Ranks, notes)),
                _ => new LayoutTarget(CheckpointLayouts.Of(options.Layout), step, parts),
            };
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"This cannot be written in the layout '{options.Layout}': {e.WithoutParameter()} {Instead(options, parts)}", e);
        }
    }

    private static string Instead(ConversionOptions options, List<(string Part, StateMap State)> parts) =>
        parts.Count > 1 ? $"Or leave the part out: name those to take with --part; there are {string.Join(", ", parts.Select(part => part.Part))}."
        : options.Layout == TorchTarget.LayoutName ? "Or convert to another layout."
        : $"Or convert to another layout: '{TorchTarget.LayoutName}' holds most values.";

    private static IReadOnlyList<string> Select(LoadedCheckpoint source, ConversionOptions options, bool isModel, List<string> notes)
    {
        foreach (string part in options.Parts)
        {
            if (!source.Parts.Contains(part, StringComparer.Ordinal))
                throw new CheckpointException($"The source has no part '{part}'. Its parts are: {string.Join(", ", source.Parts)}.");
        }
        if (options.Rules is not null && options.Parts.Contains(Optimizer, StringComparer.Ordinal))
            throw new CheckpointException("Rules rename the model and not the optimizer's state, which would not fit it any more. Convert them apart, or leave the optimizer out.");
        bool modelOnly = isModel || (options.Rules is not null && options.Parts.Count == 0);
        IReadOnlyList<string> selected = options.Parts.Count > 0 ? options.Parts : modelOnly ? [Model] : source.Parts;
        if (isModel && selected.Count > 1)
            throw new CheckpointException($"{(options.Layout == HuggingFaceLayout.Name ? "A model of Hugging Face" : $"What the layout '{options.Layout}' holds")} is one part, not {string.Join(", ", selected)}. Choose one.");
        if (!selected.All(part => source.Parts.Contains(part, StringComparer.Ordinal)))
            throw new CheckpointException($"The source has no part '{Model}'. Choose one of its parts: {string.Join(", ", source.Parts)}.");
        if (options.Rules is not null && !selected.Contains(Model, StringComparer.Ordinal))
            throw new CheckpointException($"Rules rename the part '{Model}', which is not among those that were chosen.");
        string[] left = [.. source.Parts.Except(selected, StringComparer.Ordinal)];
        if (left.Length > 0)
            notes.Add($"parts left out: {string.Join(", ", left)}");
        return selected;
    }

    private static StateMap Converted(string part, StateMap state, RenamingParameters configuration, ConversionOptions options)
    {
        if (part == Model && options.Rules is { } rules)
            state = rules.Apply(state, options.Parameters.Or(configuration), options.Strict);
        return options.Type is { } type && part is (Model or Ema) ? (StateMap)Cast(state, type, new(ReferenceEqualityComparer.Instance)) : state;
    }

    // What is at two places stays one.
    private static StateNode Cast(StateNode node, TensorType type, Dictionary<StateNode, StateNode> done)
    {
        if (done.TryGetValue(node, out StateNode? cast))
            return cast;
        switch (node)
        {
            case StateTensor tensor when FloatCast.CanCast(tensor.Type):
                cast = CastTensor.Of(tensor, type);
                break;
            case StateMap map:
                StateMap entries = [];
                foreach ((string key, StateNode value) in map)
                    entries.Add(key, Cast(value, type, done));
                cast = entries;
                break;
            case StateList list:
                cast = new StateList(list.Select(item => Cast(item, type, done)));
                break;
            default:
                return node;
        }
        done.Add(node, cast);
        return cast;
    }

    private static long StepIn(LoadedCheckpoint source) =>
        source.Parts.Contains(Context, StringComparer.Ordinal) && source.Load(Context).TryGetValue("step_count", out StateNode? node) && (node as StateScalar)?.Value is long step and >= 0 ? step : 0;

    private static StateMap Counts(LoadedCheckpoint source, long step)
    {
        StateMap counts = [];
        if (source.Parts.Contains(Context, StringComparer.Ordinal))
        {
            foreach ((string key, StateNode node) in source.Load(Context))
            {
                if (node is StateScalar)
                    counts.Add(key, node);
            }
        }
        if (!counts.ContainsKey("step_count"))
            counts.Add("step_count", step);
        return counts;
    }

    private static void AddRankNotes(LoadedCheckpoint source, IReadOnlyList<string> selected, List<string> notes)
    {
        foreach (string part in selected)
        {
            if (source.RanksOf(part) is { Count: > 1 } ranks)
                notes.Add($"of the part '{part}', which {ranks.Count} ranks have for themselves, that of rank {ranks[0]} was taken, and the others were left out");
        }
    }

    private static void AddTieNotes(StateMap model, ConversionOptions options, List<string> notes)
    {
        var seen = new HashSet<StateNode>(ReferenceEqualityComparer.Instance);
        string[] tied = [.. model.Where(entry => !seen.Add(entry.Value)).Select(entry => entry.Key)];
        if (tied.Length > 0 && options.Layout == ShardsLayout.Name)
            notes.Add($"tied, and written under each name, because PyTorch's reader looks for both: {string.Join(", ", tied)}");
        else if (tied.Length > 0)
            notes.Add($"tied and so written once: {string.Join(", ", tied)}; transformers ties them again when {ModelFiles.Config} has tie_word_embeddings true");
    }

    private static void AddConfigNotes(byte[]? config, ConversionOptions options, List<string> notes)
    {
        if (config is null)
            notes.Add($"there is no {ModelFiles.Config}; transformers needs one beside the weights");
        else if (options.Rules is { Config: null })
            notes.Add($"{ModelFiles.Config} keeps its architectures and model_type; the rules do not say what they become");
    }
}
