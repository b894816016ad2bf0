using Cairn.State;
using TorchSharp;

namespace Cairn.TorchSharp;

/// <summary>A loading of weights that was compared with its module: what goes where, and what does not.</summary>
internal sealed class WeightsLoad
{
    private readonly LoadWeightsReport _report;
    private readonly List<(string Name, torch.Tensor Tensor, StateTensor Source)> _writes;

    private WeightsLoad(LoadWeightsReport report, List<(string, torch.Tensor, StateTensor)> writes) => (_report, _writes) = (report, writes);

    /// <summary>Compares all that is to be loaded with the module. Changes nothing.</summary>
    /// <exception cref="StateMismatchException">Something is missing, unexpected, or of another type or shape.</exception>
    public static WeightsLoad Prepare(torch.nn.Module module, WeightsSource source, LoadWeightsOptions options)
    {
        List<(string Name, torch.Tensor Tensor)> own = [.. ModuleTensors.Parameters(module).Select(entry => (entry.Name, (torch.Tensor)entry.Parameter)), .. ModuleTensors.Buffers(module)];
        List<string> names = own.ConvertAll(entry => entry.Name), notes = [.. source.Opened.Notes];
        StateMap saved = source.Find(options.Key, "model"), renamed = WeightNames.Renamed(saved, names, options, source, notes);
        CheckPatterns(options, names, renamed);
        var match = new WeightMatch(options);
        foreach (IGrouping<(nint, TensorType, string), (string Name, torch.Tensor Tensor)> tied in own.GroupBy(entry => TorchTensor.IdentityOf(entry.Tensor)))
            match.Add([.. tied.Select(entry => entry.Name)], tied.First().Tensor, renamed);
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
        return new WeightsLoad(match.Report(what, notes), [.. match.Writes.OrderBy(write => order[write.Found]).Select(write => (write.Found, write.Tensor, write.Source))]);
    }

    /// <summary>Reads everything into the module.</summary>
    public LoadWeightsReport Write(IProgress<WeightsProgress>? progress, bool undo, CancellationToken cancellationToken)
    {
        var watched = new WatchedTensors(progress, _writes.Sum(write => write.Source.ByteLength), cancellationToken);
        List<(torch.Tensor Tensor, torch.Tensor Old)> kept = [];
        var filling = new TensorFilling([.. _writes.Select(write => (write.Tensor, watched.Of(write.Name, write.Source)))]);
        try
        {
            foreach ((_, torch.Tensor tensor, _) in undo ? _writes : [])
            {
                cancellationToken.ThrowIfCancellationRequested();
                kept.Add((tensor, CopyOf(tensor)));
            }
            cancellationToken.ThrowIfCancellationRequested();
            filling.Run(cancellationToken);
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
        return _report;
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
