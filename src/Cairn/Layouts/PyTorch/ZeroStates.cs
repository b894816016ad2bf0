using System.Globalization;
using Cairn.State;

namespace Cairn.Layouts.PyTorch;

/// <summary>
/// What the data-parallel ranks of a job with DeepSpeed's ZeRO saved of one model, put together: the weights as they were trained, and the optimizer's state by the names of the parameters.
/// Stages 1 and 2 flatten each group of parameters and cut the whole of it (<c>single_partition_of_fp32_groups</c>); stage 3 cuts each parameter, and each rank flattens its pieces
/// (<c>fp32_flat_groups</c>). The order is that of <c>param_shapes</c>. See <see href="https://github.com/deepspeedai/DeepSpeed/blob/master/deepspeed/utils/zero_to_fp32.py">zero_to_fp32.py</see>.
/// </summary>
internal sealed class ZeroStates
{
    private const string Cut12 = "single_partition_of_fp32_groups", Cut3 = "fp32_flat_groups";
    private const int MostNamed = 4;

    // What is of no account once all is put together.
    private static readonly string[] Plumbing = ["param_shapes", "frozen_param_shapes", "frozen_param_fragments", "buffer_names", "shared_params"];

    private readonly string _path;
    private readonly StateMap[] _models, _optimizers;
    private readonly bool _isStage3;
    private readonly List<(List<(string Name, long[] Shape)> Parameters, StateMap Options)> _groups = [];
    private readonly OrderedDictionary<string, StateTensor> _master = new(StringComparer.Ordinal);
    private readonly StateMap _state = [];

    private ZeroStates(string path, StateMap[] models, StateMap[] optimizers)
    {
        (_path, _models, _optimizers) = (path, models, optimizers);
        _isStage3 = optimizers[0].ContainsKey(Cut3);
    }

    /// <summary>Puts the model and the optimizer in their places in what the first rank saved beside them.</summary>
    /// <param name="path">The folder, for errors.</param>
    /// <param name="models">What the ranks' files of the model hold, or that of the first, which has all of it.</param>
    /// <param name="optimizers">What the ranks' files of the optimizer hold, by rank.</param>
    /// <exception cref="CorruptCheckpointException">They contradict each other, or hold less than they say.</exception>
    public static StateMap Merge(string path, IReadOnlyList<StateMap> models, IReadOnlyList<StateMap> optimizers)
    {
        var states = new ZeroStates(path, [.. models], [.. optimizers.Select(optimizer => Map(path, optimizer, "optimizer_state_dict"))]);
        try
        {
            states.CheckRanks();
            states.Read();
            StateMap root = [];
            foreach ((string key, StateNode value) in models[0])
            {
                if (!Plumbing.Contains(key, StringComparer.Ordinal))
                    root.Add(key, key == "module" ? states.Model() : key == "optimizer" ? states.Optimizer() : value);
            }
            if (!root.ContainsKey("optimizer"))
                root.Add("optimizer", states.Optimizer());
            return root;
        }
        catch (OverflowException)
        {
            throw states.Bad("'param_shapes' names tensors that are larger than any file");
        }
        catch (ArgumentException e)
        {
            throw states.Bad(e.WithoutParameter().TrimEnd('.'));
        }
    }

    /// <summary>How many ranks shared the optimizer.</summary>
    public static long? PartitionsOf(StateMap optimizer) => (optimizer.TryGetValue("optimizer_state_dict", out StateNode? state) ? (state as StateMap)?.GetValueOrDefault("partition_count") : null) switch
    {
        StateScalar { Value: long count } => count,
        // Of each group; those of experts are shared by fewer.
        StateList counts => counts.OfType<StateScalar>().Select(count => count.Value as long?).Max(),
        _ => null,
    };

    /// <summary>What is wrong when so many ranks shared the optimizer and so many files of it are there; <see langword="null"/> when nothing is.</summary>
    public static string? FaultOf(long ranks, int files) => files == ranks ? null
        : files < ranks ? $"{ranks} ranks shared the optimizer, and {files} of their files are there: the save did not end" : $"{ranks} ranks shared the optimizer, and there are {files} files of it: some are of another save";

    private void Read()
    {
        // The first versions had one group, and no list of them.
        StateNode shapes = _models[0].GetValueOrDefault("param_shapes") ?? throw Bad("its model files have no 'param_shapes', by which the optimizer's pieces are told apart");
        StateMap[] groups = shapes switch { StateMap one => [one], StateList list => [.. list.OfType<StateMap>()], _ => [] };
        if (_isStage3)
            ReadStage3([.. groups.Select(Shapes)]);
        else
            ReadStages12([.. groups.Select(Shapes)]);
    }

    // What all ranks must have alike: pieces of the same groups, with the same fields, after as many steps. Files of two saves differ in these.
    private void CheckRanks()
    {
        int parts = List(_optimizers[0], _isStage3 ? Cut3 : Cut12).Count;
        for (int rank = 1; rank < _optimizers.Length; rank++)
        {
            if (List(_optimizers[rank], _isStage3 ? Cut3 : Cut12).Count != parts)
                throw Bad($"rank {rank} has pieces of another number of groups than rank 0");
            for (int part = 0; part < parts; part++)
            {
                StateMap first = StateOf(_optimizers[0], part), own = StateOf(_optimizers[rank], part);
                if (!first.Keys.SequenceEqual(own.Keys, StringComparer.Ordinal))
                    throw Bad($"rank {rank} has {Named(own)} of group {part}, and rank 0 has {Named(first)}");
                foreach ((string field, StateNode value) in first)
                {
                    if (value is not StateTensor { Shape.Count: 1 } && StateDigest.Of(new StateMap { [field] = value }) != StateDigest.Of(new StateMap { [field] = own[field] }))
                        throw Bad($"rank {rank} has another '{field}' of group {part} than rank 0, so they are of two saves");
                }
            }
        }

        static string Named(StateMap state) => state.Count == 0 ? "no state" : string.Join(", ", state.Keys);
    }

    // Newer versions say which parameters a rank has a piece of; files that were given to each other's ranks say it too.
    private void CheckMappings(int group, List<(string Name, long[] Shape)> parameters, ZeroPieces flat)
    {
        long begin = 0;
        for (int rank = 0; rank < _optimizers.Length; begin += flat.Ranks[rank++].Shape[0])
        {
            if (_optimizers[rank].GetValueOrDefault("param_slice_mappings") is not StateList mappings || group >= mappings.Count || mappings[group] is not StateMap mapping)
                continue;
            long at = 0, end = begin + flat.Ranks[rank].Shape[0];
            HashSet<string> own = [];
            foreach ((string name, long[] shape) in parameters)
            {
                if (at < end && at + Count(shape) > begin && Count(shape) > 0)
                    own.Add(name);
                at += Count(shape);
            }
            if (!own.SetEquals(mapping.Keys))
                throw Bad($"what stands in the place of rank {rank} is a piece of {string.Join(", ", mapping.Keys.Take(MostNamed))}, and not of {string.Join(", ", own.Take(MostNamed))}: it is another rank's");
        }
    }

    private void ReadStages12(List<(string Name, long[] Shape)>[] groups)
    {
        if (List(_optimizers[0], Cut12).Count != groups.Length)
            throw Bad($"'param_shapes' has {groups.Length} groups, and the pieces are of {List(_optimizers[0], Cut12).Count}");
        for (int g = 0; g < groups.Length; g++)
        {
            int group = g;
            var flat = new ZeroPieces(_optimizers, rank => [Tensor(List(rank, Cut12), group)]);
            Dictionary<string, ZeroPieces> fields = Fields(rank => [group]);
            CheckMappings(group, groups[g], flat);
            long offset = 0;
            foreach ((string name, long[] shape) in groups[g])
            {
                long count = Count(shape);
                Put(name, At(flat), field => At(field));
                offset += count;

                StateTensor At(ZeroPieces of) => offset + count <= of.Whole.Shape[0] ? of.Whole.Narrow(0, offset, count).Reshape(shape) : throw Bad($"its pieces end before '{name}'");
            }
            // It is filled up so that it can be shared evenly, in blocks of two for each rank.
            long blocks = 2L * _optimizers.Length;
            if ((offset + blocks - 1) / blocks < (flat.Whole.Shape[0] + blocks - 1) / blocks)
                throw Bad($"group {g} of its pieces holds {flat.Whole.Shape[0]} elements, and the parameters have {offset}");
            _groups.Add((groups[g], Options(g)));

            void Put(string name, StateTensor weight, Func<ZeroPieces, StateTensor> at) => Add(name, weight, fields, at, group);
        }
    }

    private void ReadStage3(List<(string Name, long[] Shape)>[] groups)
    {
        // Parts of the parameters' groups, as large as the option sub_group_size allows.
        int parts = List(_optimizers[0], Cut3).Count;
        var flat = new ZeroPieces(_optimizers, rank => [.. Enumerable.Range(0, parts).Select(part => Tensor(List(rank, Cut3), part))]);
        Dictionary<string, ZeroPieces> fields = Fields(rank => Enumerable.Range(0, parts));
        long offset = 0;
        foreach ((string name, long[] shape) in groups.SelectMany(group => group))
        {
            long count = Count(shape), piece = (count + _optimizers.Length - 1) / _optimizers.Length;
            Add(name, At(flat), fields, At, 0);
            offset += piece;

            StateTensor At(ZeroPieces of) => of.Ranks.All(rank => offset + piece <= rank.Shape[0])
                ? TensorOperations.Concat([.. of.Ranks.Select(rank => rank.Narrow(0, offset, piece))], 0).Narrow(0, 0, count).Reshape(shape) : throw Bad($"its pieces end before '{name}'");
        }
        if (offset != flat.Ranks[0].Shape[0])
            throw Bad($"its pieces hold {flat.Ranks[0].Shape[0]} elements a rank, and the parameters have {offset}");
        // The optimizer knows each part as one parameter.
        for (int g = 0; g < (groups.Length == 0 ? 0 : ParamGroups().Count); g++)
        {
            HashSet<long> own = [.. (Map(ParamGroups(), g).GetValueOrDefault("params") as StateList ?? []).OfType<StateScalar>().Select(index => index.Value).OfType<long>()];
            _groups.Add(([.. groups.Where((_, part) => own.Contains(part)).SelectMany(group => group)], Options(g)));
        }
    }

    // The state of each parameter: tensors of its own shape, and what is the same for all of its group.
    private void Add(string name, StateTensor weight, Dictionary<string, ZeroPieces> fields, Func<ZeroPieces, StateTensor> at, int group)
    {
        if (!_master.TryAdd(name, weight))
            throw Bad($"'{name}' stands twice in 'param_shapes'");
        StateMap state = [];
        foreach ((string field, StateNode value) in StateOf(_optimizers[0], group))
            state.Add(field, fields.TryGetValue(field, out ZeroPieces? flat) ? at(flat) : value);
        _state.Add(name, state);
    }

    private StateMap Model()
    {
        StateMap module = Map(_path, _models[0], "module"), model = [];
        StateMap frozen = _isStage3 ? Frozen() : [];
        foreach ((string name, StateNode value) in module)
            model.Add(name, _master.GetValueOrDefault(name) ?? frozen.GetValueOrDefault(name) ?? value);
        foreach ((string name, StateNode value) in _master.Select(weight => KeyValuePair.Create(weight.Key, (StateNode)weight.Value)).Concat(frozen))
        {
            if (!model.ContainsKey(name))
                model.Add(name, value);
        }
        // Tied weights: the name, and that of the one that was cut.
        foreach ((string name, StateNode of) in _models[0].GetValueOrDefault("shared_params") as StateMap ?? [])
        {
            if ((of as StateScalar)?.Value is string source && model.TryGetValue(source, out StateNode? shared))
                model[name] = shared;
        }
        return model;
    }

    private StateMap Frozen()
    {
        StateMap frozen = [];
        foreach ((string name, StateNode shape) in _models[0].GetValueOrDefault("frozen_param_shapes") as StateMap ?? [])
        {
            long[] of = Shape(shape);
            StateTensor[] pieces = [.. _models.Select(model => Map(_path, model, "frozen_param_fragments").GetValueOrDefault(name) as StateTensor ?? throw Bad($"a rank has no piece of '{name}'"))];
            frozen.Add(name, TensorOperations.Concat([.. pieces.Select(piece => piece.Reshape(Count([.. piece.Shape])))], 0).Narrow(0, 0, Count(of)).Reshape(of));
        }
        return frozen;
    }

    private StateMap Optimizer()
    {
        var groups = new StateList(_groups.Select(group =>
        {
            StateMap options = group.Options;
            options["params"] = new StateList(group.Parameters.Select(parameter => (StateNode)parameter.Name));
            return options;
        }));
        return new StateMap { ["state"] = _state, ["param_groups"] = groups };
    }

    // Tensors that are as long as the pieces; others, such as a count of steps, are the same on all ranks.
    private Dictionary<string, ZeroPieces> Fields(Func<StateMap, IEnumerable<int>> parts)
    {
        int first = parts(_optimizers[0]).FirstOrDefault();
        return StateOf(_optimizers[0], first).Where(field => field.Value is StateTensor { Shape.Count: 1 }).ToDictionary(
            field => field.Key, field => new ZeroPieces(_optimizers, rank => [.. parts(rank).Select(part => StateOf(rank, part).GetValueOrDefault(field.Key) as StateTensor ?? throw Bad($"a rank has no '{field.Key}'"))]), StringComparer.Ordinal);
    }

    // Rigid: what torch.optim gives, by number. Elastic: a list by group.
    private StateMap StateOf(StateMap optimizer, int part) => Base(optimizer) switch
    {
        StateMap whole => (whole.GetValueOrDefault("state") as StateMap)?.GetValueOrDefault(part.ToString(CultureInfo.InvariantCulture)) as StateMap ?? [],
        StateList list when part < list.Count => list[part] as StateMap ?? [],
        _ => [],
    };

    private StateNode? Base(StateMap optimizer) => optimizer.GetValueOrDefault(_isStage3 ? "optimizer_state_dict" : "base_optimizer_state");

    private StateList ParamGroups() => (Base(_optimizers[0]) as StateMap)?.GetValueOrDefault("param_groups") as StateList ?? [];

    private StateMap Options(int group)
    {
        StateMap options = [];
        if (group < ParamGroups().Count)
        {
            foreach ((string key, StateNode value) in Map(ParamGroups(), group))
            {
                if (key != "params")
                    options.Add(key, value);
            }
        }
        return options;
    }

    private List<(string Name, long[] Shape)> Shapes(StateMap group) => [.. group.Select(parameter => (parameter.Key, Shape(parameter.Value)))];

    private long[] Shape(StateNode node) => node is StateList sizes && sizes.All(size => size is StateScalar { Value: long and >= 0 })
        ? [.. sizes.Cast<StateScalar>().Select(size => (long)size.Value!)] : throw Bad("a shape of a parameter is no list of sizes");

    private StateList List(StateMap map, string key) => map.GetValueOrDefault(key) as StateList ?? throw Bad($"a rank's file has no '{key}'");

    private StateTensor Tensor(StateList list, int index) => index < list.Count && list[index] is StateTensor { Shape.Count: 1 } tensor ? tensor : throw Bad($"a rank's file has no piece of group {index}");

    private StateMap Map(StateList list, int index) => list[index] as StateMap ?? throw Bad($"group {index} of the optimizer is no map");

    private static StateMap Map(string path, StateMap map, string key) => map.GetValueOrDefault(key) as StateMap ?? throw Bad(path, $"a rank's file has no '{key}'", isStage3: true);

    private static long Count(long[] shape) => shape.Aggregate(1L, (product, size) => checked(product * size));

    private CorruptCheckpointException Bad(string what) => Bad(_path, what, _isStage3);

    private static CorruptCheckpointException Bad(string path, string what, bool isStage3) =>
        new($"The optimizer's files in {path} cannot be put together: {what}. Look whether all of them are of one save, or take another checkpoint.{(isStage3 ? "" : $" {path}/mp_rank_00_model_states.pt alone has the weights, as precise as the model computes.")}") { Path = path };
}
