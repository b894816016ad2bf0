using Cairn.Checkpoints;
using Cairn.Formats;
using Cairn.Formats.Torch.Distributed;
using Cairn.Layouts;
using Cairn.Layouts.HuggingFace;
using Cairn.Layouts.InternLm;
using Cairn.Layouts.PyTorch;
using Cairn.Policies;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>
/// Opens whatever holds a training run's state, without being told what it is: a checkpoint or snapshot of Cairn or InternLM, a run (then what a
/// restart would take), a model folder of Hugging Face, a distributed checkpoint of PyTorch, also in safetensors, a step of XTuner, DeepSpeed or Megatron-LM, a safetensors file, a file of PyTorch.
/// </summary>
public static class CheckpointReader
{
    internal const string CairnName = "cairn";
    private const string SafetensorsName = "safetensors", TorchName = "torch", DistributedName = DistributedLayout.Name;
    private const int MostTries = 5;

    /// <summary>Says what stands at a path of this machine. Names are looked at, and the first bytes of a file.</summary>
    /// <param name="path">A folder or file; a <c>local:</c> before it is taken off. Or an address of a store that is registered (<see cref="RunStores"/>).</param>
    /// <exception cref="CheckpointException">There is nothing, or nothing that is known; the message says what was found and what to give instead.</exception>
    internal static CheckpointSource Detect(string path)
    {
        (IFileSource files, string name, IFileSource? self) = Locate(path);
        return Detect(files, name, self);
    }

    /// <summary>Says what stands at a path of a store. A run is recognized at its root.</summary>
    /// <inheritdoc cref="Detect(string)"/>
    internal static CheckpointSource Detect(IFileSource files, string path) => Detect(files, path, path.Length == 0 ? files : null);

    /// <summary>
    /// Opens what stands at a path of this machine. A run may be trained meanwhile: what is read belongs to one copy, also when the run makes newer ones.
    /// Only a copy of more than 128 files may turn out to be gone when a part is loaded: a <see cref="CopyChangedException"/> then.
    /// </summary>
    /// <param name="path">A folder or file; a <c>local:</c> before it is taken off. Or an address of a store that is registered (<see cref="RunStores"/>).</param>
    /// <exception cref="CorruptCheckpointException">It is damaged or incomplete.</exception>
    /// <exception cref="CopyChangedException">Every try met a copy that was being replaced.</exception>
    /// <exception cref="CheckpointException">There is nothing, or nothing that is known.</exception>
    /// <exception cref="IOException">A file could not be opened or read.</exception>
    public static LoadedCheckpoint Open(string path) => Again(() => OpenOnce(Detect(path)));

    /// <summary>Opens what stands at a path of a store.</summary>
    /// <inheritdoc cref="Open(string)"/>
    public static LoadedCheckpoint Open(IFileSource files, string path) => Again(() => OpenOnce(Detect(files, path)));

    /// <summary>Opens what was found.</summary>
    /// <inheritdoc cref="Open(string)"/>
    internal static LoadedCheckpoint Open(CheckpointSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Again(() => OpenOnce(source));
    }

    /// <summary>Reads again when the training that writes the run has made a newer copy meanwhile, which is as welcome.</summary>
    /// <exception cref="CopyChangedException">Every try met a copy that was being replaced.</exception>
    internal static T Again<T>(Func<T> read)
    {
        for (int tries = 1; ; tries++)
        {
            try
            {
                return read();
            }
            catch (CopyChangedException) when (tries < MostTries)
            {
            }
        }
    }

    private static LoadedCheckpoint OpenOnce(CheckpointSource source)
    {
        CheckpointSource exact = source;
        LoadedCheckpoint opened = (source.Layout, source.Kind) switch
        {
            (CairnName, SourceKind.Run) => OpenEntry(source.Files, Newest(source), out exact),
            (InternLmLayout.LayoutName, SourceKind.Run) => OpenInternLm(NewestInternLm(source), out exact),
            (InternLmLayout.LayoutName, _) => OpenInternLm(source, out exact),
            (CairnName, _) => OpenEntry(source.Files, EntryAt(source.Files, source.Path), out exact),
            (HuggingFaceLayout.Name, _) => HuggingFaceLayout.Open(source.Files, source.Path),
            (DistributedName, _) => LoadedTorchState.OpenDistributed(source.Files, source.Path),
            (ShardsLayout.Name, _) => LoadedShards.Open(source.Files, source.Path),
            (XTunerFolder.Layout, _) => LoadedXTuner.Open(source.Files, XTunerFolder.Find(source.Files, source.Path)!),
            (RankFolder.DeepSpeed or RankFolder.Megatron, _) => RankFolder.Find(source.Files, source.Path)!.Open(source.Files),
            (TorchName, _) => LoadedTorchState.OpenFile(source.Files, source.Path),
            (SafetensorsName, _) => new LoadedFile(source.Files, source.Path),
            _ => throw new ArgumentException($"The layout '{source.Layout}' is not known.", nameof(source)),
        };
        opened.Source = opened.StepInside is { } step && exact.Step is null ? exact with { Step = step } : exact;
        return opened;
    }

    private static (IFileSource Files, string Name, IFileSource? Self) Locate(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        const string local = "local:";
        string full = BestCopy.Resolved(PlacePath.Full(path.StartsWith(local, StringComparison.Ordinal) ? path[local.Length..] : path));
        IFileSource files = PlacePath.Open(full);
        IFileSource? self = files.FolderExists("") ? files : null;
        return PlacePath.Parent(full) is { } parent ? (PlacePath.Open(parent), PlacePath.Name(full), self) : (files, "", self);
    }

    private static CheckpointSource Detect(IFileSource files, string path, IFileSource? self)
    {
        string shown = new CheckpointSource("", SourceKind.File, files, path).FullPath;
        if (path.Length > 0 && files.FileExists(path))
        {
            if (ShardFileName.Parse(path[(path.LastIndexOf('/') + 1)..]) is not null)
                throw new CheckpointException($"{shown} holds one rank's parts of a distributed checkpoint. Give its folder: {System.IO.Path.GetDirectoryName(shown)}.") { Path = shown };
            return new CheckpointSource(LayoutOfFile(files, path, shown), SourceKind.File, files, path);
        }
        if (self is null && !files.FolderExists(path))
            throw new CheckpointException($"There is nothing at {shown}. Give a run, a checkpoint's folder or a file.") { Path = shown };
        FileSystemEntry[] entries = [.. files.List(path)];
        string[] names = [.. entries.Where(entry => !entry.IsFolder).Select(entry => entry.Name)];
        if (self is not null && IsRun(entries, self))
            return new CheckpointSource(IsInternLmRun(names, self) ? InternLmLayout.LayoutName : CairnName, SourceKind.Run, self, "");
        if (InternLmRecognition.IsCheckpoint(files, path, names, out long? internLmStep))
            return new CheckpointSource(InternLmLayout.LayoutName, SourceKind.Checkpoint, files, path) { Step = internLmStep };
        if (IsCairnCheckpoint(names))
            return new CheckpointSource(CairnName, SourceKind.Checkpoint, files, path);
        if (names.Contains(DistributedCheckpoint.MetadataName, StringComparer.Ordinal) || names.Any(name => name.EndsWith(DistributedLayout.Extension, StringComparison.Ordinal)))
            return new CheckpointSource(DistributedName, SourceKind.Checkpoint, files, path);
        if (ModelFiles.Find(names) is null && SafetensorsShards.AreIn(names))
            return new CheckpointSource(ShardsLayout.Name, SourceKind.Checkpoint, files, path);
        if (ModelFiles.Find(names) is not null || names.Any(ModelFiles.IsShard))
            return new CheckpointSource(HuggingFaceLayout.Name, SourceKind.Checkpoint, files, path);
        if (XTunerFolder.Find(files, path) is not null)
            return new CheckpointSource(XTunerFolder.Layout, SourceKind.Checkpoint, files, path);
        if ((RankFolder.Newest(files, path) ?? RankFolder.Find(files, path)) is { } ranks)
            return new CheckpointSource(ranks.Layout, SourceKind.Checkpoint, files, ranks.Path);
        // Megatron-LM's format torch_dist.
        if (RankFolder.LatestIn(files, path).FirstOrDefault(newest => files.FileExists($"{newest}/{DistributedCheckpoint.MetadataName}")) is { } newest)
            return new CheckpointSource(DistributedName, SourceKind.Checkpoint, files, newest);
        throw Unknown(shown, entries);
    }

    private static bool IsRun(FileSystemEntry[] entries, IFileSource run) =>
        entries.Any(entry => !entry.IsFolder && entry.Name == RunFolder.Record)
        || entries.Any(entry => entry.IsFolder && RunFolder.IsStep(entry.Name, out long step) && run.FileExists($"{entry.Name}/{Marker.FileName(step)}"))
        || entries.Any(entry => entry.IsFolder && entry.Name == RunFolder.Snapshots);

    private static bool IsInternLmRun(string[] names, IFileSource run) =>
        !names.Contains(RunFolder.Record, StringComparer.Ordinal) && InternLmRecognition.IsRun(run);

    private static bool IsCairnCheckpoint(string[] names) =>
        names.Any(name => name.EndsWith(".step", StringComparison.Ordinal) && RunFolder.IsStep(name[..^".step".Length], out _));

    private static string LayoutOfFile(IFileSource files, string path, string shown)
    {
        using IReadableFile file = files.OpenRead(path);
        FileSignature found = FileSignature.Of(file);
        if (found.IsReadable)
            return found.Kind == FileFormat.Safetensors ? SafetensorsName : TorchName;
        string hint = path.EndsWith(".json", StringComparison.Ordinal) || path.EndsWith(".step", StringComparison.Ordinal)
            ? $"Give its folder: {System.IO.Path.GetDirectoryName(shown)}."
            : found.Advice;
        throw new CheckpointException($"{shown} is no file of a known format: it is {found.What}. {hint}") { Path = shown, Found = found.What };
    }

    private static CatalogEntry EntryAt(IFileSource files, string path)
    {
        string name = path[(path.LastIndexOf('/') + 1)..];
        if (RunFolder.IsStep(name, out long step) && files.FileExists($"{path}/{Marker.FileName(step)}"))
            return CatalogEntry.At(files, path, SaveKind.Checkpoint, step);
        CatalogEntry snapshot = Catalog.Snapshot(files, path);
        // Under another name a checkpoint is still what its marker says.
        return snapshot.Marker is null && CatalogEntry.At(files, path, SaveKind.Checkpoint, snapshot.Step) is { Marker: not null } renamed ? renamed : snapshot;
    }

    private static CatalogEntry Newest(CheckpointSource source)
    {
        Catalog catalog = Catalog.Read(source.Files);
        RunRecord? run = RunRecord.LoadOrRebuild(source.Files, catalog, out _);
        ResumeChoice? choice = run is null ? null : ResumeLadder.Choose(source.Files, catalog, run, verifyHashes: false);
        if (choice?.Chosen is { } chosen)
            return chosen;
        // A slot that is listed while a save takes its place may show no marker, and is no damage.
        if (Complete(Catalog.Read(source.Files)).Except(Complete(catalog)).FirstOrDefault() is { Folder: not null } come)
            throw HeldCopy.Changed(source.Files, come.Folder);
        throw new CheckpointException(
            $"{source.FullPath} is a run without a complete checkpoint{(choice is { PassedOver.Count: > 0 } ? $": {string.Join("; ", choice.PassedOver)}" : "")}. Try: cairn ls {source.FullPath}")
        { Path = source.FullPath };

        static IEnumerable<(string Folder, long Step)> Complete(Catalog catalog) => catalog.Entries.Where(entry => entry.Marker is not null).Select(entry => (entry.Folder, entry.Step));
    }

    private static LoadedCheckpoint OpenEntry(IFileSource files, CatalogEntry entry, out CheckpointSource source)
    {
        source = new CheckpointSource(entry.Marker?.Layout ?? CairnName, SourceKind.Checkpoint, files, entry.Folder) { Step = entry.Step, Marker = entry.Marker };
        if (entry.Fault is { IsTransient: true })
            throw HeldCopy.Changed(files, entry.Folder);
        if (entry.Marker is not { } marker)
            throw new CorruptCheckpointException($"{source.FullPath} cannot be used: {entry.Fault}. Try: cairn ls on its run.") { Path = source.FullPath };
        HeldCopy? held = entry.Hold(files);
        try
        {
            return CheckpointLayouts.Of(marker.Layout).Open(held ?? files, entry.Folder, marker.Files.Select(file => file.Name)).With(held);
        }
        catch
        {
            held?.Dispose();
            throw;
        }
    }

    private static CheckpointSource NewestInternLm(CheckpointSource run)
    {
        var faults = new List<CheckpointFault>();
        foreach (CatalogEntry entry in Catalog.Read(run.Files).Entries)
        {
            if (entry.Marker is { IsDerived: true })
                return run with { Kind = SourceKind.Checkpoint, Path = entry.Folder, Step = entry.Step };
            if (entry.Fault is { } fault)
                faults.Add(fault);
        }
        throw new CheckpointException($"{run.FullPath} has no complete checkpoint of InternLM: {string.Join("; ", faults)}. Try: cairn ls {run.FullPath}") { Path = run.FullPath };
    }

    private static LoadedCheckpoint OpenInternLm(CheckpointSource found, out CheckpointSource source)
    {
        source = found;
        string[] names = [.. found.Files.List(found.Path).Where(entry => !entry.IsFolder).Select(entry => entry.Name)];
        return names.Contains(InternLmPlan.IndexName, StringComparer.Ordinal) ? InternLmLayout.Instance.Open(found.Files, found.Path, names)
            : InternLmCopy.Open(found.Files, found.Path, InternLmRecognition.KindOf(found.Path, found.Step), found.Step, out _);
    }

    private static CheckpointException Unknown(string shown, FileSystemEntry[] entries)
    {
        string[] weights = [.. entries.Where(entry => !entry.IsFolder && System.IO.Path.GetExtension(entry.Name) is ".safetensors" or ".pt" or ".pth" or ".bin").Select(entry => entry.Name).Order(StringComparer.Ordinal)];
        string found = entries.Length == 0 ? "it is empty" : $"it holds {string.Join(", ", entries.Select(entry => entry.Name + (entry.IsFolder ? "/" : "")).Order(StringComparer.Ordinal).Take(8))}{(entries.Length > 8 ? ", …" : "")}";
        string? newest = entries.Where(entry => entry.IsFolder).Select(entry => entry.Name).Where(name => TrainerFolders.StepOf(name) is not null).MaxBy(TrainerFolders.StepOf);
        string instead = newest is not null ? $"Give one of its checkpoints, the newest of which is {shown}/{newest}." : weights.Length > 0 ? $"Give one of its files, for example {shown}/{weights[0]}." : "Give a run, a checkpoint's folder or a file.";
        return new CheckpointException($"{shown} is no run and no checkpoint: {found}. {instead}") { Path = shown };
    }

    /// <summary>A bare safetensors file: the part that Cairn wrote it for, else <c>model</c>.</summary>
    private sealed class LoadedFile : LoadedCheckpoint
    {
        private readonly string _name, _part;
        private readonly LoadedPart _loaded;

        public LoadedFile(IFileSource files, string path)
        {
            _name = path[(path.LastIndexOf('/') + 1)..];
            _loaded = Keep(CairnLayout.ReadSafetensors(files, path, out bool isCairn));
            _part = (isCairn ? CairnLayout.PartOf(_name) : null) ?? HuggingFaceLayout.ModelPart;
        }

        public override IReadOnlyList<string> Parts => [_part];
        public override IReadOnlyList<string> FilesOf(string part) => part == _part ? [_name] : throw new KeyNotFoundException($"{_name} holds the part '{_part}', not '{part}'.");
        public override State.StateMap Load(string part) => part == _part ? _loaded.State : throw new KeyNotFoundException($"{_name} holds the part '{_part}', not '{part}'.");
    }
}
