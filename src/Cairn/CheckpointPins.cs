using Cairn.Checkpoints;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn;

/// <summary>
/// Keeps copies of a run that somebody needs, whether or not a process trains it: an evaluation that reads one, a paper that names one. What is pinned stays whatever retention, <c>cairn prune</c>, a full disk or the
/// next snapshot would do. The same as <c>cairn keep</c>.
/// </summary>
/// <example><code>
/// using (CheckpointPins.KeepWhile("runs/tinylm", step: 500, "nightly evaluation"))
/// {
///     model.load("runs/tinylm/500");
///     Evaluate(model);
/// }
/// </code></example>
public static class CheckpointPins
{
    /// <summary>Pins the copy of a step; its checkpoint, when there is a snapshot of that step as well.</summary>
    /// <param name="run">The run's folder, or its address in a store that is registered.</param>
    /// <param name="step">The step.</param>
    /// <param name="why">What for, as others will read it.</param>
    /// <param name="timeToLive">For how long; <see langword="null"/> until it is released.</param>
    /// <returns>The pin.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="timeToLive"/> is not positive.</exception>
    /// <exception cref="CheckpointException">There is no run, or no complete copy of that step in it, or it was just being removed.</exception>
    /// <exception cref="IOException">The run may not be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The run may not be written.</exception>
    public static CheckpointPin Keep(string run, long step, string? why = null, TimeSpan? timeToLive = null)
    {
        if (timeToLive is { } time)
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(time, TimeSpan.Zero, nameof(timeToLive));
        IRunFiles files = Open(run);
        return CheckpointReader.Again(() => new PinWriter(files, TimeProvider.System).Pin(CopyOf(files, step), why, timeToLive));
    }

    /// <summary>Pins the copy of a step until the result is disposed. Should the process die before, the pin is over ten minutes later.</summary>
    /// <inheritdoc cref="Keep"/>
    public static IDisposable KeepWhile(string run, long step, string? why = null)
    {
        IRunFiles files = Open(run);
        return CheckpointReader.Again(() => new ReadingPin(files, CopyOf(files, step), why ?? "being read", TimeProvider.System));
    }

    /// <summary>Takes back every pin of a step, whoever made it. What no rule keeps goes with the next save of the run, or with <c>cairn prune</c>.</summary>
    /// <param name="run">The run's folder, or its address in a store that is registered.</param>
    /// <param name="step">The step.</param>
    /// <returns>The pins that were taken back.</returns>
    /// <exception cref="CheckpointException">There is no run.</exception>
    /// <exception cref="IOException">The run may not be written.</exception>
    public static IReadOnlyList<CheckpointPin> Release(string run, long step) => Release(Open(run), step, TimeProvider.System);

    internal static IReadOnlyList<CheckpointPin> Release(IRunFiles files, long step, TimeProvider time)
    {
        CopyPins pins = CopyPins.Read(files, time.GetUtcNow());
        foreach (CheckpointPin pin in pins.All.Concat(pins.Over).Where(pin => pin.Step == step))
            files.DeleteFile(pin.Path);
        return [.. pins.All.Where(pin => pin.Step == step)];
    }

    /// <summary>The pins of a run that count now, the oldest first.</summary>
    /// <param name="run">The run's folder, or its address in a store that is registered.</param>
    /// <exception cref="CheckpointException">There is no run.</exception>
    public static IReadOnlyList<CheckpointPin> Of(string run) => CopyPins.Read(Open(run)).All;

    internal static CatalogEntry CopyOf(IFileSource files, long step)
    {
        Catalog catalog = Catalog.Read(files);
        LineView? line = RunRecord.LoadOrRebuild(files, catalog, out _) is { } run ? LineView.Of(run) : null;
        // Of two snapshots of one step the line's.
        return catalog.Entries.Where(entry => entry.Step == step && entry.Marker is not null).OrderByDescending(entry => line?.Holds(entry)).FirstOrDefault()
            ?? throw new CheckpointException($"{files.Root} has no complete copy of step {step}. Its steps: {catalog.Steps}.") { Path = files.Root, Step = step };
    }

    private static IRunFiles Open(string run)
    {
        ArgumentException.ThrowIfNullOrEmpty(run);
        IRunFiles files = RunHome.Of(new CheckpointOptions { Folder = run }).Files;
        return files.FileExists(RunFolder.Record) ? files
            : throw new CheckpointException($"{files.Root} is not the folder of a run of Cairn: there is no {RunFolder.Record} in it.") { Path = files.Root };
    }
}
