using Cairn.Checkpoints;
using Cairn.Stores;

namespace Cairn.Opening;

/// <summary>How a run begins: who it is, what it restores, and what is to be reported.</summary>
/// <param name="Record">The run, on the branch that it is trained on.</param>
/// <param name="Source">What to restore; <see langword="null"/> for a fresh start.</param>
/// <param name="Parts">Names of the parts to restore; empty for all. A run that goes on where it was takes all, whatever it once began with.</param>
/// <param name="ByChoice">Whether steps above the source are left behind on purpose.</param>
/// <param name="PassedOver">Newer copies that could not be used.</param>
/// <param name="Forked">Whether a new branch was opened.</param>
internal sealed record RunOpening(
    RunRecord Record, ResumeSource? Source, IEnumerable<string> Parts, IReadOnlyList<CheckpointFault> PassedOver, bool Forked, bool ByChoice = false)
{
    /// <summary>Whether <c>run.json</c> says something else, or nothing yet.</summary>
    public bool ChangesRecord { get; private init; }

    /// <summary>
    /// Decides. What stands in the run's own folder wins over <see cref="CheckpointOptions.ResumeFrom"/> of another run, so that one
    /// command line starts a run and restarts it. Changes nothing in the store.
    /// </summary>
    /// <param name="places">The run, and what the options name.</param>
    /// <param name="options">What to resume from.</param>
    /// <param name="now">When the run begins, if it is new.</param>
    /// <param name="verifier">Reads a copy whose marker and sizes are right; <see langword="null"/> when that is enough.</param>
    /// <param name="recoverable">The newest step that a fast folder was known to have, on whichever host: it may come back.</param>
    /// <exception cref="CheckpointException">There is something, and none of it can be used; or the options contradict what stands there.</exception>
    public static RunOpening Decide(ResumePlaces places, CheckpointOptions options, DateTimeOffset now, CollectiveVerifier? verifier, long recoverable = 0)
    {
        IFileSource files = places.Run;
        Catalog catalog = Catalog.Read(files);
        RunRecord? run = RunRecord.LoadOrRebuild(files, catalog, out bool isStored);
        RunOpening opening = Decide(places, catalog.With(places.Nearer), run ?? RunRecord.New(now), options, verifier);
        // The same as for a copy that is bad today: it must not win over what is trained from here on.
        if (opening is { Source: { } source, Forked: false, ByChoice: false } && source.Marker.Step < recoverable)
            opening = opening with { Record = opening.Record with { Lineage = opening.Record.Lineage.Fork(source.Marker.Step) }, Forked = true };
        return opening with { ChangesRecord = !isStored || opening.Record != run };
    }

    private static RunOpening Decide(ResumePlaces places, Catalog catalog, RunRecord run, CheckpointOptions options, CollectiveVerifier? verifier)
    {
        IFileSource files = places.Run;
        if (options.ResumeFrom is { } from && StepOf(files, catalog, run, from) is { } step)
            return Rewind(files, catalog, run, options, step, verifier);
        if (options.AutoResume)
        {
            ResumeChoice choice = ResumeLadder.Choose(files, catalog, run, entry => verifier?.Verify(entry.Files, entry));
            if (choice.Chosen is not null)
            {
                // Another run's parts began this one, and it has come further since. Its own parts would have to begin a new line.
                return options.ResumeFrom is { } own && options.ResumeParts.Count > 0 && OwnPlace.IsRun(files, own) ? throw NeedsBranch(files, options, "this run itself") : Continue(files, run, choice);
            }
            if (choice.PassedOver.Count > 0)
                throw NothingGood(files, choice.PassedOver);
        }
        bool forked = catalog.Entries.Any(LineView.Of(run).Holds);
        if (forked)
            run = run with { Lineage = run.Lineage.Fork(0, options.Branch) };
        if (options.ResumeFrom is null)
            return new RunOpening(run, null, [], [], forked);
        ResumeSource source = ResumeSource.Named(places, verifier);
        if (source.IsOfOtherProgram && options.ResumeParts.Count == 0)
            throw new CheckpointException($"ResumeFrom: {source.Name} is what another program saved ({source.Marker.Layout}), and its run cannot be gone on with here. Say which parts to begin with: ResumeParts = [\"model\"].") { Path = source.Name };
        return new RunOpening(run with { Origin = new RunOrigin(source.Marker.Run, source.Marker.Step) }, source, options.ResumeParts, [], forked, ByChoice: true);
    }

    // The step of the run's own that is named; null when another place is.
    private static long? StepOf(IFileSource files, Catalog catalog, RunRecord run, string from) =>
        OwnPlace.IsBest(files, from) ? (BestCopy.Of(catalog.Entries, LineView.Of(run)) ?? throw BestCopy.None(files.Root)).Step : OwnPlace.StepOf(files, from);

    private static RunOpening Continue(IFileSource files, RunRecord run, ResumeChoice choice)
    {
        CatalogEntry chosen = choice.Chosen!;
        // A copy above that is bad today and readable tomorrow must not win over what is trained from here on.
        bool forked = choice.PassedOver.Any(fault => fault is { IsOfOtherRun: false, Lacks: false } && IsAbove(fault, chosen.Step));
        if (forked)
            run = run with { Lineage = run.Lineage.Fork(chosen.Step) };
        return new RunOpening(run, SourceOf(files, chosen), [], choice.PassedOver, forked);
    }

    private static RunOpening Rewind(IFileSource files, Catalog catalog, RunRecord run, CheckpointOptions options, long step, CollectiveVerifier? verifier)
    {
        // The same command line again, after a crash on the branch that it opened: go on there.
        Branch current = run.Lineage.Current;
        if (options.AutoResume && options.Branch is { } name && current.Name == name && current.Parent is not null)
        {
            // A slot holds another snapshot by now, and another checkpoint may be the best; a step is another wish than the one that this branch came from.
            if (!OwnPlace.IsMoving(files, options.ResumeFrom!) && !run.Lineage.Branches.Any(branch => branch.Name == name && branch.Parent is not null && branch.ForkStep == ForkStep(options, step)))
                throw OtherStep(files, name, current.ForkStep, step);
            ResumeChoice again = ResumeLadder.Choose(files, catalog, run, entry => verifier?.Verify(entry.Files, entry));
            return again.Chosen is null ? throw NothingGood(files, again.PassedOver) : Continue(files, run, again);
        }
        ResumeChoice choice = ResumeLadder.Choose(files, catalog, run, entry => verifier?.Verify(entry.Files, entry), from: step, parts: [.. options.ResumeParts]);
        if (choice.Chosen?.Step != step)
        {
            throw new CheckpointException(
                $"ResumeFrom: step {step} cannot be used in {files.Root}: {(choice.PassedOver.Count > 0 ? string.Join("; ", choice.PassedOver) : "there is no such checkpoint on this branch")}. Steps there: {catalog.Steps}.")
            {
                Step = step,
                Path = files.Root,
            };
        }
        long newest = catalog.Entries.Where(LineView.Of(run).Holds).Max(entry => entry.Step);
        if (newest == step && options.Branch is null)
            return options.ResumeParts.Count == 0 ? Continue(files, run, choice) : throw NeedsBranch(files, options, $"step {step}, the newest of this run");
        if (options.Branch is null)
        {
            throw new CheckpointException(
                $"ResumeFrom: step {step} is not the newest in {files.Root}, step {newest} is. To branch off there, name the new branch (Branch); newer copies are kept but not resumed.")
            {
                Step = step,
                Path = files.Root,
            };
        }
        Lineage lineage = run.Lineage.Fork(ForkStep(options, step), options.Branch);
        return new RunOpening(run with { Lineage = lineage }, SourceOf(files, choice.Chosen), options.ResumeParts, choice.PassedOver, Forked: true, ByChoice: true);
    }

    // Without the counters the new line begins at step 0, and nothing of the old one may stand above it.
    private static long ForkStep(CheckpointOptions options, long step) => options.ResumeParts.Count == 0 || options.ResumeParts.Contains(TrainState.PartName) ? step : 0;

    private static CheckpointException OtherStep(IFileSource files, string name, long began, long step) => new(
        $"ResumeFrom: the branch '{name}' of {files.Root} began at step {began}, not at step {step}. To begin another branch at step {step}, give it another name (Branch); to go on with " +
        $"'{name}', leave ResumeFrom at {began}.")
    {
        Step = step,
        Path = files.Root,
    };

    private static bool IsAbove(CheckpointFault fault, long step) => fault.Step is not { } bad || bad > step;

    private static ResumeSource SourceOf(IFileSource files, CatalogEntry entry) =>
        new(entry.Files, entry.Folder, entry.Marker!, ReferenceEquals(entry.Files, files) ? entry.Folder : $"{entry.Files.Root}/{entry.Folder}") { Entry = entry };

    private static CheckpointException NeedsBranch(IFileSource files, CheckpointOptions options, string what) => new(
        $"ResumeFrom names {what}, and ResumeParts takes only {string.Join(", ", options.ResumeParts)} of it: with the other parts starting fresh, that is not a continuation. " +
        $"To begin a new branch with these parts, give the step (ResumeFrom) and name the branch (Branch). To continue as before, leave ResumeParts out.")
    {
        Path = files.Root,
    };

    private static CorruptCheckpointException NothingGood(IFileSource files, IReadOnlyList<CheckpointFault> faults) => new(
        $"{files.Root} holds checkpoints, and none of them can be used: {string.Join("; ", faults)}. Repair or move them away; to start again from step 0 beside them, set AutoResume to false.")
    {
        Path = files.Root,
    };
}
