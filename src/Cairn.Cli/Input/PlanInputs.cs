using System.CommandLine;
using Cairn.Advice;
using Cairn.Cli.Output;
using Cairn.Saving;
using Cairn.State;

namespace Cairn.Cli.Input;

/// <summary>The options of <c>cairn plan</c> that say what the run is, and the request that they make.</summary>
internal sealed class PlanInputs
{
    private static readonly (string Name, TensorType Type)[] Types =
    [
        ("fp32", TensorType.F32), ("float32", TensorType.F32), ("bf16", TensorType.BF16), ("bfloat16", TensorType.BF16), ("fp16", TensorType.F16),
        ("float16", TensorType.F16), ("fp8", TensorType.F8E4M3), ("fp64", TensorType.F64), ("float64", TensorType.F64),
    ];

    private const double AssumedWriteRate = 1e9;

    private readonly Option<long?> _steps = QuantityOption.Count("--steps", "Number of steps to train [default: what --check says].");
    private readonly Option<TimeSpan?> _stepTime = QuantityOption.Time("--step-time", "Time of one step without any save.");
    private readonly Option<long?> _size = QuantityOption.Bytes("--size", "Size of one copy of the state, such as 98GB.");
    private readonly Option<long?> _weights = QuantityOption.Bytes("--weights-size", "Of it, what a checkpoint keeps without its optimizer (KeepOptimizer) [default: what --parameters or --like says, else all].");
    private readonly Option<long?> _frozen = QuantityOption.Bytes("--frozen-size", "Of it, what training does not change (requires_grad = false): it is written once [default: what --like says, else none].");
    private readonly Option<long?> _parameters = QuantityOption.Count("--parameters", "Instead of --size: number of parameters, such as 7B.");
    private readonly Option<string> _dtype = new("--dtype") { Description = "Type of the weights, for --parameters.", HelpName = "TYPE", DefaultValueFactory = _ => "bf16" };
    private readonly Option<OptimizerKind> _optimizer = new("--optimizer") { Description = "The optimizer, for --parameters.", HelpName = "NAME", DefaultValueFactory = _ => OptimizerKind.AdamW };
    private readonly Option<string?> _like = new("--like") { Description = "Instead of --size: an existing checkpoint or run of the same size.", HelpName = "PATH" };
    private readonly Option<double?> _writeRate = QuantityOption.Rate("--write-rate", "How fast the disk or store takes a copy, such as 2GB/s [default: measured on --target, else 1 GB/s].");
    private readonly Option<double?> _copyRate = QuantityOption.Rate("--copy-rate", "How fast memory is copied [default: measured on --target, else 5 GB/s].");
    private readonly Option<string?> _target = new("--target") { Description = "The future run's folder: its disk is measured for two seconds, and its free space is the limit.", HelpName = "FOLDER" };
    private readonly Option<TimeSpan?> _mtbf = QuantityOption.Time("--mtbf", "Mean time between failures of the whole job [default: 1d].");
    private readonly Option<TimeSpan?> _restart = QuantityOption.Time("--restart", "Time from a failure until training goes on [default: 1m and reading one copy].");
    private readonly Option<long?> _space = QuantityOption.Bytes("--space", "Space that the run may take [default: what is free on --target].");
    private readonly Option<double?> _budget = QuantityOption.Share("--budget", "Share of the time that saves may take [default: what --check says, else 1%].");
    private readonly Option<bool> _sync = new("--sync") { Description = "Training waits for the whole save (Asynchronous = false)." };

    public PlanInputs() => _dtype.AcceptOnlyFromAmong([.. Types.Select(type => type.Name)]);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_steps, _stepTime, _size, _weights, _frozen, _parameters, _dtype, _optimizer, _like, _writeRate, _copyRate, _target, _mtbf, _restart, _space, _budget, _sync])
            command.Options.Add(option);
    }

    /// <summary>What was given, and what is assumed for the rest.</summary>
    /// <exception cref="WrongUseException">Something is missing, given twice, or cannot be.</exception>
    public (PlanRequest Request, IReadOnlyList<string> Assumed) Read(ParseResult parsed, CheckpointOptions? checkedOptions, Screen screen, CancellationToken cancellationToken)
    {
        List<string> assumed = [];
        long steps = parsed.GetValue(_steps) ?? checkedOptions?.TotalSteps ?? throw new WrongUseException("Say how many steps to train: --steps 50000.");
        TimeSpan stepTime = parsed.GetValue(_stepTime) ?? throw new WrongUseException("Say how long a step takes: --step-time 1.2s.");
        long bytes = StateBytes(parsed, assumed);
        DiskProbe? probe = parsed.GetValue(_target) is { } target ? DiskProbe.Measure(target, screen, cancellationToken) : null;
        double? writeRate = parsed.GetValue(_writeRate) ?? probe?.WriteRate;
        if (writeRate is null)
            assumed.Add("The disk takes 1 GB/s. Measure it with --target FOLDER, or give --write-rate.");
        double? copyRate = parsed.GetValue(_copyRate) ?? probe?.CopyRate;
        bool sync = parsed.GetValue(_sync) || checkedOptions is { Asynchronous: false };
        if (copyRate is null && !sync)
            assumed.Add("Memory is copied at 5 GB/s. Measure it with --target FOLDER, or give --copy-rate.");
        TimeSpan? mtbf = parsed.GetValue(_mtbf);
        if (mtbf is null)
            assumed.Add("The job fails once a day. Give --mtbf.");
        var request = new PlanRequest { TotalSteps = steps, StepTime = stepTime, StateBytes = bytes, WeightsBytes = WeightsBytes(parsed), FrozenBytes = FrozenBytes(parsed), WriteRate = writeRate ?? AssumedWriteRate };
        request = request with
        {
            CopyRate = copyRate ?? request.CopyRate,
            MeanTimeBetweenFailures = mtbf ?? request.MeanTimeBetweenFailures,
            RestartTime = parsed.GetValue(_restart),
            SpaceLimit = parsed.GetValue(_space) ?? probe?.AvailableBytes,
            OverheadBudget = parsed.GetValue(_budget) ?? BudgetOf(checkedOptions) ?? request.OverheadBudget,
            Asynchronous = !sync,
        };
        return request.Problems() is [var problem, ..] ? throw new WrongUseException(problem) : (request, assumed);
    }

    // What a configuration allows saves to take is what it is judged by.
    private static double? BudgetOf(CheckpointOptions? options) => options is { SnapshotsAreContinuous: true, SnapshotStallBudget: > 0 and < 1 and var budget } ? budget : null;

    private long? WeightsBytes(ParseResult parsed)
    {
        if (parsed.GetValue(_weights) is { } given)
            return given;
        if (parsed.GetValue(_like) is { } like)
            return Listing.CopyListing.One(like).Entry?.Marker is { } marker && WeightsOnly.Of(marker) is { } smaller ? smaller.Bytes : null;
        return parsed.GetValue(_parameters) is { } parameters ? StateSize.Of(parameters, Types.First(known => known.Name == parsed.GetValue(_dtype)).Type, OptimizerKind.None) : null;
    }

    private long FrozenBytes(ParseResult parsed) => parsed.GetValue(_frozen)
        ?? (parsed.GetValue(_like) is { } like ? Listing.CopyListing.One(like).Entry?.Marker?.Files.Where(file => Layouts.CairnLayout.IsFrozen(file.Name)).Sum(file => file.Length) : null) ?? 0;

    private long StateBytes(ParseResult parsed, List<string> assumed)
    {
        (long? size, long? parameters, string? like) = (parsed.GetValue(_size), parsed.GetValue(_parameters), parsed.GetValue(_like));
        int given = (size is null ? 0 : 1) + (parameters is null ? 0 : 1) + (like is null ? 0 : 1);
        if (given != 1)
            throw new WrongUseException($"{(given == 0 ? "Say how large the state is" : "Give only one")}: --size 98GB, --parameters 7B (with --dtype and --optimizer), or --like CHECKPOINT.");
        if (size is { } bytes)
            return bytes;
        if (like is not null)
            return Listing.CopyListing.One(like).Bytes;
        string dtype = parsed.GetValue(_dtype)!;
        OptimizerKind optimizer = parsed.GetValue(_optimizer);
        TensorType type = Types.First(known => known.Name == dtype).Type;
        assumed.Add($"A parameter takes {Units.Number((double)StateSize.Of(1000, type, optimizer) / 1000)} bytes: {dtype} weights{(optimizer == OptimizerKind.None ? "" : $" and {optimizer}")}"
            + $"{(type.BitsPerElement() < 32 && optimizer != OptimizerKind.None ? " with fp32 master weights" : "")}.");
        return parameters < 1 ? throw new WrongUseException("--parameters must be at least 1.") : StateSize.Of(parameters!.Value, type, optimizer);
    }
}
