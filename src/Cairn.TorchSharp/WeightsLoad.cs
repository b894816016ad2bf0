using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>A loading of weights that was compared with its module: what goes where, and what does not.</summary>
internal sealed class WeightsLoad
{
    private readonly LoadWeightsReport _report;
    private readonly List<(string Name, IReadOnlyList<torch.Tensor> Tied, StateTensor Source)> _writes;
    // Memory in which several tensors of the module lie, which must not part them.
    private readonly HashSet<nint> _common;

    private WeightsLoad(LoadWeightsReport report, List<(string, IReadOnlyList<torch.Tensor>, StateTensor)> writes, HashSet<nint> common) => (_report, _writes, _common) = (report, writes, common);

    /// <summary>Compares all that is to be loaded with the module. Changes nothing.</summary>
    /// <exception cref="StateMismatchException">Something is missing, unexpected, or of another type or shape.</exception>
    public static WeightsLoad Prepare(torch.nn.Module module, WeightsSource source, LoadWeightsOptions options)
    {
        List<(string Name, torch.Tensor Tensor)> own = [.. ModuleTensors.Parameters(module).Select(entry => (entry.Name, (torch.Tensor)entry.Parameter)), .. ModuleTensors.Buffers(module)];
        List<string> names = own.ConvertAll(entry => entry.Name), notes = [.. source.Opened.Notes];
        StateMap saved = source.Find(options.Key, "model"), renamed = WeightNames.Renamed(saved, names, options, source, notes);
        CheckPatterns(options, names, renamed);
        var match = new WeightMatch(options);
        (string Name, torch.Tensor Tensor)[][] groups = [.. own.GroupBy(entry => TorchTensor.IdentityOf(entry.Tensor)).Select(static tied => tied.ToArray())];
        foreach ((string, torch.Tensor)[] tied in groups)
            match.Add(tied, renamed);
        match.AddUnexpected(renamed, names);
        string what = $"{source.Shown}{(options.Key is { } key ? $" ({key})" : "")}";
        if (match.IsRefused)
            throw match.Refusal($"The weights in {what} do not fit {module.GetType().Name}; nothing was changed.", Hint(match, renamed, names, options));
        if (match.Writes.Count == 0)
            throw match.Refusal($"Nothing in {what} fits {module.GetType().Name}; nothing was changed.", Hint(match, renamed, names, options));
        // In the order of the file, so that it is read from its beginning to its end.
        Dictionary<string, int> order = new(StringComparer.Ordinal);
        foreach (string name in renamed.Keys)
            order.Add(name, order.Count);
        return new WeightsLoad(match.Report(what, notes), [.. match.Writes.OrderBy(write => order[write.Found])],
            [.. groups.GroupBy(static tied => TorchTensor.StorageOf(tied[0].Tensor)).Where(static memory => memory.Skip(1).Any()).Select(static memory => memory.Key)]);
    }

    /// <summary>Brings everything into the module.</summary>
    /// <param name="maps">Whether what can be mapped is not read.</param>
    /// <param name="progress">Told of what is read.</param>
    /// <param name="undo">Whether the module is as it was when something fails.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public LoadWeightsReport Write(bool maps, IProgress<WeightsProgress>? progress, bool undo, CancellationToken cancellationToken)
    {
        using var mapped = new MappedTensors();
        (string Name, torch.Tensor Tensor, StateTensor Source)[] reads = [.. _writes.Where(write => !maps || !Maps(write, mapped)).Select(static write => (write.Name, write.Tied[0], write.Source))];
        var watched = new WatchedTensors(progress, reads.Sum(read => read.Source.ByteLength), cancellationToken);
        List<(torch.Tensor Tensor, torch.Tensor Old)> kept = [];
        var filling = new TensorFilling([.. reads.Select(read => (read.Tensor, watched.Of(read.Name, read.Source)))]);
        try
        {
            foreach ((_, torch.Tensor tensor, _) in undo ? reads : [])
            {
                cancellationToken.ThrowIfCancellationRequested();
                kept.Add((tensor, CopyOf(tensor)));
            }
            cancellationToken.ThrowIfCancellationRequested();
            filling.Run(cancellationToken);
            mapped.Apply();
        }
        catch (Exception e)
        {
            using IDisposable quiet = torch.no_grad();
            foreach ((torch.Tensor tensor, torch.Tensor old) in kept)
            {
                using torch.Tensor values = tensor.detach();
                values.copy_(old);
            }
            string state = filling.Begun == 0 || undo ? "The module is as it was." : $"{filling.Begun} of {_writes.Count} tensors of the module are changed, some in part: do not use it.";
            if (e is OperationCanceledException)
                throw new OperationCanceledException($"Loading {_report.Source} was cancelled. {state}", e, cancellationToken);
            if (e is CheckpointException or IOException)
                throw new CheckpointException($"{e.Message} {state}", e) { Path = _report.Source };
            throw;
        }
        finally
        {
            foreach ((_, torch.Tensor old) in kept)
                old.Dispose();
        }
        _report.Bytes = watched.Done;
        _report.MappedBytes = mapped.Bytes;
        return _report;
    }

    private bool Maps((string Name, IReadOnlyList<torch.Tensor> Tied, StateTensor Source) write, MappedTensors mapped)
    {
        try
        {
            return !_common.Contains(TorchTensor.StorageOf(write.Tied[0])) && mapped.TryAdd(write.Tied, write.Source);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{_report.Source} cannot be mapped into memory: {e.Message} Leave Mapped out to have it read; nothing was changed.", e) { Path = _report.Source };
        }
    }

    private static torch.Tensor CopyOf(torch.Tensor tensor)
    {
        using IDisposable quiet = torch.no_grad();
        using torch.Tensor values = tensor.detach();
        return values.clone().DetachFromDisposeScope();
    }

    // A pattern that fits nothing is a slip.
    private static void CheckPatterns(LoadWeightsOptions options, List<string> names, StateMap saved)
    {
        foreach (string pattern in options.Take.Concat(options.Leave))
        {
            string[] one = [pattern];
            if (!names.Exists(name => WeightNames.Fits(one, name)) && !saved.Keys.Any(name => WeightNames.Fits(one, name)))
                throw new CheckpointException($"The pattern '{pattern}' fits no name of the module and none of the source; nothing was changed. Names of the module: {LoadWeightsReport.Few(names)}.") { Expected = pattern };
        }
    }

    private static string Hint(WeightMatch match, StateMap saved, List<string> names, LoadWeightsOptions options)
    {
        if (match.WouldFitCast)
            return " Set Cast to round or widen to the module's types.";
        if (options.StripPrefix is null && match.HasMissing && WeightNames.AutoStripped(saved, names, hasRules: false) is { Taken: { Length: > 0 } taken })
            return $" The names of the source begin otherwise: StripPrefix = \"{LoadWeightsOptions.Auto}\" takes off {taken}";
        if (!saved.Values.OfType<StateTensor>().Any() && saved.Where(entry => entry.Value is StateMap).Select(entry => entry.Key).ToArray() is { Length: > 0 } maps)
            return $" There are no tensors at this place; those below it are: {LoadWeightsReport.Few(maps)}. Give the Key of one.";
        return "";
    }
}
