using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.PyTorch;
using Cairn.Layouts.Renaming;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Conversion;

/// <summary>
/// Converts a checkpoint from any layout that can be read into one that can be written. With <c>huggingface</c>, <c>dcp</c> and <c>dcp-safetensors</c> the destination is the folder of the files, with
/// <c>torch</c> a file, with <c>cairn</c> and <c>internlm</c> a run's folder, in which the checkpoint stands as <c>&lt;step&gt;</c> and from which training can go on.
/// Each file is written beside (<c>.partial</c>), made durable and renamed; a marker comes last. A conversion that was interrupted goes on
/// where it was when the same is asked for again. At the end every tensor is read back and compared with the source. What is overwritten stays as it was until
/// then, and is swapped in one step. A destination in a run is written under the run's lock.
/// </summary>
internal sealed class CheckpointConversion
{
    private readonly LoadedCheckpoint _source;
    private readonly ConversionOptions _options;
    private readonly ConversionPlan _plan;
    private readonly IFileSystem _files;
    private readonly ConversionPlace _place;
    private readonly TimeProvider _clock;

    private CheckpointConversion(LoadedCheckpoint source, ConversionOptions options, ConversionPlan plan, IFileSystem files, string folder, TimeProvider clock)
    {
        (_source, _options, _plan, _files, _clock) = (source, options, plan, files, clock);
        Folder = plan.Target is LayoutTarget ? RunFolder.Checkpoint(plan.Step) : "";
        _place = plan.Target switch
        {
            LayoutTarget => new ConversionPlace(files, Folder, $"{RunFolder.Staging}/convert-{Folder}"),
            TorchTarget => new ConversionPlace(files, "", $".{plan.Target.Files[0].Name}.cairn-convert", plan.Target.Files[0].Name),
            _ => new ConversionPlace(files, folder, $".{folder}.cairn-convert", keepsOthers: true),
        };
    }

    /// <summary>The files that will be written, without markers and what goes along.</summary>
    public IReadOnlyList<PlannedFile> Files => _plan.Target.Files;
    /// <summary>Bytes of these files.</summary>
    public long Bytes => Files.Sum(file => file.Length);
    /// <summary>What the user should know before.</summary>
    public IReadOnlyList<string> Notes => _plan.Notes;
    /// <summary>The checkpoint's folder, relative to the destination's; empty for the destination itself.</summary>
    public string Folder { get; }

    /// <summary>Plans a conversion. Small values of the source are read; no tensor is, and nothing is written.</summary>
    /// <param name="source">What is converted; it stays open until the conversion has run.</param>
    /// <param name="destination">A folder of this machine, or a file for <c>torch</c>.</param>
    /// <param name="options">How.</param>
    /// <param name="clock">The time for a marker; <see langword="null"/> for the system's.</param>
    /// <exception cref="RenamingException">The rules do not fit.</exception>
    /// <exception cref="CheckpointException">The options do not fit the source.</exception>
    public static CheckpointConversion Plan(LoadedCheckpoint source, string destination, ConversionOptions options, TimeProvider? clock = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(destination);
        ArgumentNullException.ThrowIfNull(options);
        // Through a link its target is meant, and that is what is swapped.
        string full = PathIdentity.Physical(destination);
        if (options.Layout is HuggingFaceLayout.Name or DistributedLayout.Name or ShardsLayout.Name && System.IO.Path.GetDirectoryName(full) is { } parent)
            return Plan(source, new LocalFileSystem(parent), "", System.IO.Path.GetFileName(full), options, clock);
        if (options.Layout != TorchTarget.LayoutName)
            return Plan(source, new LocalFileSystem(full), "", options, clock);
        if (!TorchTarget.IsFileName(full))
            throw new CheckpointException($"The layout '{TorchTarget.LayoutName}' is one file: give a destination that ends in .pt, .pth or .bin, not {destination}.");
        return Plan(source, new LocalFileSystem(System.IO.Path.GetDirectoryName(full)!), System.IO.Path.GetFileName(full), options, clock);
    }

    /// <summary>Plans a conversion into a store.</summary>
    /// <param name="source">What is converted.</param>
    /// <param name="files">The destination's folder.</param>
    /// <param name="fileName">The file, for <c>torch</c>; else empty.</param>
    /// <param name="options">How.</param>
    /// <param name="clock">The time for a marker; <see langword="null"/> for the system's.</param>
    /// <inheritdoc cref="Plan(LoadedCheckpoint, string, ConversionOptions, TimeProvider)"/>
    internal static CheckpointConversion Plan(LoadedCheckpoint source, IFileSystem files, string fileName, ConversionOptions options, TimeProvider? clock = null) =>
        Plan(source, files, fileName, "", options, clock);

    /// <summary>As above; a model stands in a folder of the store, and not at its root.</summary>
    internal static CheckpointConversion Plan(LoadedCheckpoint source, IFileSystem files, string fileName, string folder, ConversionOptions options, TimeProvider? clock)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(options);
        if (!ConversionOptions.Layouts.Contains(options.Layout, StringComparer.Ordinal))
            throw new CheckpointException($"There is no layout '{options.Layout}' to convert to. There are: {string.Join(", ", ConversionOptions.Layouts)}.");
        return new CheckpointConversion(source, options, ConversionPlan.Of(source, SourceConfiguration.Of(source), options, fileName), files, folder, clock ?? TimeProvider.System);
    }

    /// <summary>Writes, and verifies unless the options say otherwise.</summary>
    /// <param name="progress">Hears of every block, on the calling thread.</param>
    /// <param name="cancellationToken">Ends it between two blocks; what is complete is kept, and the next run goes on from it.</param>
    /// <exception cref="RunLockedException">The destination is in a run that a process writes.</exception>
    /// <exception cref="CheckpointException">Something stands at the destination, or a file of the source is bad.</exception>
    /// <exception cref="ConversionMismatchException">What was written is not what was converted.</exception>
    /// <exception cref="IOException">A file could not be read or written.</exception>
    public ConversionResult Run(Action<ConversionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        RefuseItself();
        List<RunLock> locks = [];
        try
        {
            foreach (string run in Runs())
                locks.Add(RunLock.Acquire(new LocalFileSystem(run), _clock, cancellationToken: cancellationToken));
            return Write(progress, cancellationToken);
        }
        finally
        {
            foreach (RunLock held in locks)
                held.Dispose();
        }
    }

    private ConversionResult Write(Action<ConversionProgress>? progress, CancellationToken cancellationToken)
    {
        // A snapshot's path stays when its content changes.
        string plan = ConversionLedger.Fingerprint($"{_source.Source?.FullPath} {_source.Source?.Marker?.Step} {_source.Source?.Marker?.Time:O} {_options.Layout}", Files);
        ConversionLedger ledger = _place.Prepare(plan, MayReplace);
        RunRecord? run = _plan.Target is LayoutTarget ? Record() : null;
        ledger.Save();
        var written = new FileConversion(_files, _place.Folder, ledger, progress, cancellationToken).Write(Files);
        IReadOnlyList<MarkedFile> marked = written.Files;
        CopyOthers();
        if (_plan.Config is { } config)
            WriteSmall(ModelFiles.Config, config);
        _files.SyncFolder(_place.Folder);
        int tensors = _options.Verify ? Verify(progress, cancellationToken) : 0;
        // What is not verified is no checkpoint: the marker comes last.
        if (run is not null)
            WriteMarker(run, marked);
        _place.Finish(ledger);
        return new ConversionResult(
            _plan.Target is TorchTarget ? _files.Root : _place.FullPath, [.. marked.Select(file => file.Name), .. _plan.OtherFiles, .. _plan.Config is null ? [] : new[] { ModelFiles.Config }], marked.Sum(file => file.Length), written.BytesKept, tensors, Notes);
    }

    // The run that is written, and one that the destination stands in: a folder of it, a checkpoint, a slot.
    private IEnumerable<string> Runs()
    {
        if (_files is not LocalFileSystem)
            yield break;
        if (_plan.Target is LayoutTarget)
            yield return _files.Root;
        string? outer = _plan.Target is LayoutTarget ? System.IO.Path.GetDirectoryName(_files.Root) : _place.FullPath;
        for (; outer is not null; outer = System.IO.Path.GetDirectoryName(outer))
        {
            if (File.Exists(System.IO.Path.Join(outer, RunFolder.Record)) || File.Exists(System.IO.Path.Join(outer, RunLock.FileName)))
                yield return outer;
        }
    }

    private void RefuseItself()
    {
        if (_source.Source is not { } source)
            return;
        if (PathIdentity.IsSame(source.FullPath, _place.FullPath))
            throw new CheckpointException($"{source.FullPath} cannot be converted into itself. Give another destination.") { Path = source.FullPath };
        if (_files is not LocalFileSystem)
            return;
        if (source.Kind != SourceKind.File && PathIdentity.IsWithin(_place.FullPath, source.FullPath))
            throw new CheckpointException($"{_place.FullPath} is in {source.FullPath}, which is to be converted. Give a destination outside it.") { Path = source.FullPath };
        if (PathIdentity.IsWithin(source.FullPath, _place.FullPath))
            throw new CheckpointException($"{source.FullPath}, which is to be converted, is in {_place.FullPath}, where the result would stand. Give another destination.") { Path = source.FullPath };
    }

    private void MayReplace()
    {
        string[] taken = Taken();
        if (taken.Length > 0 && !_options.Overwrite)
        {
            string where = _plan.Target.IsFolder ? _place.FullPath : _files.Root;
            throw new CheckpointException(
                $"{where} holds {string.Join(", ", taken.Order(StringComparer.Ordinal).Take(5))}{(taken.Length > 5 ? ", …" : "")} already. Give another destination, or ask for it to be overwritten.")
            { Path = where };
        }
    }

    private RunRecord Record()
    {
        RunRecord? run = RunRecord.Load(_files);
        if (run is null)
        {
            run = RunRecord.New(_clock.GetUtcNow());
            if (_source.Source?.Marker is { } marker)
                run = run with { Origin = new RunOrigin(marker.Run, marker.Step) };
            run.Save(_files);
        }
        return run;
    }

    private string[] Taken() => _plan.Target switch
    {
        TorchTarget => [.. Files.Select(file => file.Name).Where(_files.FileExists)],
        LayoutTarget => [.. new[] { Folder }.Where(_files.FolderExists), .. new[] { RunFolder.Record }.Where(_files.FileExists)],
        _ => [.. _files.List(_place.Destination).Select(entry => entry.Name).Where(name => !ConversionLedger.IsLeftOver(name))],
    };

    private void WriteMarker(RunRecord run, IReadOnlyList<MarkedFile> files)
    {
        var target = (LayoutTarget)_plan.Target;
        var marker = new Marker
        {
            Step = _plan.Step,
            Kind = SaveKind.Checkpoint,
            Reason = SaveReason.Manual,
            Run = run.Id,
            Lineage = run.Lineage,
            Layout = target.Layout.Name,
            Time = _clock.GetUtcNow(),
            Train = _plan.Counters,
            Files = files,
        };
        WriteSmall(target.Layout.MarkerName(_plan.Step), marker.ToBytes());
    }

    private void CopyOthers()
    {
        if (_source.Source is not { } source)
            return;
        foreach (string name in _plan.OtherFiles)
        {
            FileCopying.Run(source.Files, source.Path.Length == 0 ? name : $"{source.Path}/{name}", length => _files.OpenWrite(In(name + FileConversion.Partial), length), In(name));
            _files.Move(In(name + FileConversion.Partial), In(name));
        }
    }

    private int Verify(Action<ConversionProgress>? progress, CancellationToken cancellationToken)
    {
        long total = Files.Sum(file => file.Tensors.Sum(tensor => tensor.Tensor.ByteLength)), done = 0;
        int tensors = 0;
        using LoadedCheckpoint opened = _plan.Target.Open(_files, _place.Folder);
        foreach ((string name, StateNode expected) in _plan.Target.Expected)
        {
            var comparison = new ReadBackComparison(
                (item, bytes) => progress?.Invoke(new ConversionProgress(ConversionPhase.Verifying, item, done += bytes, Math.Max(total, done))), cancellationToken);
            comparison.Compare(name, expected, _plan.Target.ReadBack(opened, name));
            tensors += comparison.Tensors;
        }
        return tensors;
    }

    private void WriteSmall(string name, byte[] bytes)
    {
        using (IWritableFile file = _files.OpenWrite(In(name + FileConversion.Partial), bytes.Length))
        {
            file.Write(0, bytes);
            file.Sync();
        }
        _files.Move(In(name + FileConversion.Partial), In(name));
    }

    private string In(string name) => _place.In(name);
}
