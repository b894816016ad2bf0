using Cairn.Checkpoints;
using Cairn.Layouts;
using Cairn.Layouts.InternLm;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>A verified copy to restore from.</summary>
/// <param name="Files">The run that it stands in.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Marker">Its marker.</param>
/// <param name="Name">How a person would name it.</param>
internal sealed record ResumeSource(IFileSource Files, string Folder, Marker Marker, string Name)
{
    /// <summary>Its entry in the catalog; <see langword="null"/> for what has no marker of Cairn.</summary>
    public CatalogEntry? Entry { get; init; }

    /// <summary>Whether another program than InternLM wrote it: parts of it can be begun with, and no run of it gone on with.</summary>
    public bool IsOfOtherProgram => Found is not null;

    // What another program wrote, as it was recognized.
    private CheckpointSource? Found { get; init; }

    /// <summary>Opens its files.</summary>
    /// <param name="files">Where they are read: <see cref="Files"/>, or what is held of it.</param>
    /// <exception cref="CorruptCheckpointException">The files contradict each other.</exception>
    public LoadedCheckpoint Open(IFileSource files) => Found is { } found ? CheckpointReader.Open(found) : CheckpointLayouts.Of(Marker.Layout).Open(files, Folder, Marker.Files.Select(file => file.Name));

    /// <summary>Finds what the options name: another run, or one checkpoint of it.</summary>
    /// <param name="places">What they name.</param>
    /// <param name="verifier">Reads a copy whose marker and sizes are right, and weights without a marker; <see langword="null"/> when that is enough.</param>
    /// <exception cref="CheckpointException">There is nothing good at that path.</exception>
    public static ResumeSource Named(ResumePlaces places, CollectiveVerifier? verifier)
    {
        string full = places.Path, name = places.Name;
        if (BestCopy.IsMeant(full))
            name = RunFolder.Checkpoint((BestCopy.Of(places.Parent) ?? throw BestCopy.None(places.Parent.Root)).Step);
        else if (!places.Named.FolderExists(""))
        {
            return places.Parent.FileExists(name) ? OfOtherProgram(places.Parent, name, full)
                : throw new CheckpointException($"ResumeFrom: there is nothing at {full}. Give a step, a checkpoint's folder, a run's folder, or what another program saved.") { Path = full };
        }
        if (EntryAt(places.Parent, name) is { } entry)
        {
            places.BeginReading(entry);
            CheckpointFault? fault = entry.Fault ?? ResumeLadder.LackOf(entry, places.Parts) ?? verifier?.Verify(places.Parent, entry);
            if (fault is { IsTransient: true })
                throw HeldCopy.Changed(places.Parent, entry.Folder);
            return fault is null
                ? new ResumeSource(places.Parent, entry.Folder, entry.Marker!, full) { Entry = entry }
                : throw new CorruptCheckpointException($"ResumeFrom: {full} cannot be used: {fault}. Name another checkpoint, or the run's folder to take its newest good one.") { Path = full };
        }
        if (WeightsAt(places, verifier) is { } weights)
            return weights;
        if (OtherProgramAt(places) is { } other)
            return other;
        IFileSource files = places.Named;
        Catalog catalog = Catalog.Read(files);
        // A run of another program has no record; its copies belong to whatever is trained there.
        RunRecord run = RunRecord.LoadOrRebuild(files, catalog, out _) ?? new RunRecord("", DateTimeOffset.UnixEpoch, Lineage.New, null);
        ResumeChoice choice = ResumeLadder.Choose(files, catalog, run, entry =>
        {
            places.BeginReading(entry);
            return verifier?.Verify(files, entry);
        }, parts: places.Parts);
        return choice.Chosen is { } chosen
            ? new ResumeSource(files, chosen.Folder, chosen.Marker!, $"{full}/{chosen.Folder}") { Entry = chosen }
            : throw new CheckpointException($"ResumeFrom: {full} holds no good checkpoint{Describe(choice)}.") { Path = full };
    }

    // Weights of InternLM without a marker, as they are handed on.
    private static ResumeSource? WeightsAt(ResumePlaces places, CollectiveVerifier? verifier)
    {
        if (!InternLmCopy.IsOne(places.Parent.List(places.Name).Where(entry => !entry.IsFolder).Select(entry => entry.Name)))
            return null;
        ResumeSource weights = Weights(places.Parent, places.Name, places.Path);
        return verifier?.Verify(places.Parent, places.Name) is { } fault
            ? throw new CorruptCheckpointException($"ResumeFrom: {places.Path} cannot be used: {fault}. Name another checkpoint.") { Path = places.Path }
            : weights;
    }

    /// <summary>Weights of InternLM that have no marker.</summary>
    /// <exception cref="CorruptCheckpointException">The folder is not whole.</exception>
    public static ResumeSource Weights(IFileSource files, string folder, string name) =>
        new(files, folder, InternLmCopy.Describe(files, folder, Policies.SaveKind.Checkpoint, step: null), name);

    /// <summary>What another program saved.</summary>
    /// <exception cref="CheckpointException">It is of no known kind.</exception>
    public static ResumeSource OfOtherProgram(IFileSource files, string path, string name) => OfOtherProgram(CheckpointReader.Detect(files, path), path, name);

    private static ResumeSource OfOtherProgram(CheckpointSource found, string path, string name)
    {
        // Of its counters nothing is taken, so that the step only says where it comes from.
        var marker = new Marker { Step = found.Step ?? 0, Kind = Policies.SaveKind.Checkpoint, Reason = Policies.SaveReason.Interval, Layout = found.Layout, IsDerived = true, Run = found.Layout, Lineage = Lineage.New, Time = DateTimeOffset.UnixEpoch, World = World.Single, Train = [], Files = [] };
        return new ResumeSource(found.Files, path, marker, name) { Found = found };
    }

    private static ResumeSource? OtherProgramAt(ResumePlaces places)
    {
        try
        {
            CheckpointSource found = CheckpointReader.Detect(places.Parent, places.Name);
            return found.Layout is CheckpointReader.CairnName or InternLmLayout.LayoutName ? null : OfOtherProgram(found, places.Name, places.Path);
        }
        catch (CheckpointException e) when (e is not CorruptCheckpointException)
        {
            // A run, or nothing that is known.
            return null;
        }
    }

    private static string Describe(ResumeChoice choice) =>
        choice is { PassedOver.Count: > 0 } ? $" ({string.Join("; ", choice.PassedOver)})" : "";

    // A checkpoint's folder is one that is named by a step, a snapshot slot, or what holds a marker.
    private static CatalogEntry? EntryAt(IFileSource parent, string name)
    {
        if (RunFolder.IsStep(name, out long step) && parent.FileExists($"{name}/{Marker.FileName(step)}"))
            return new CatalogEntry(parent, name, Policies.SaveKind.Checkpoint, step);
        CatalogEntry slot = Catalog.Snapshot(parent, name);
        return slot.Step == CatalogEntry.NoStep ? null : slot;
    }
}
