using System.Globalization;
using Cairn.Checkpoints;
using Cairn.Formats.Torch;
using Cairn.State;

namespace Cairn.Layouts.InternLm;

/// <summary>
/// What the files of a copy say of its step: marker, counters, optimizer. InternLM rewrites a snapshot in place, in the order model, optimizer, sampler, scheduler,
/// counters, marker, and leaves the older marker until then, so a crash leaves files of two steps.
/// </summary>
internal static class StepWitnesses
{
    public const string StepCount = "step_count", BatchCount = "batch_count";
    private const string LastEpoch = "last_epoch";
    private const string Interrupted = "InternLM was interrupted while it overwrote an older copy";

    /// <summary>The updates that the counters say; older ones have only batches.</summary>
    public static long? Counted(StateMap context) => Number(context, StepCount) ?? Number(context, BatchCount) + 1;

    /// <summary>The step that stands in the marker of a name.</summary>
    /// <exception cref="CorruptCheckpointException">It is damaged, or another program's.</exception>
    public static long? MarkedStep(InternLmFiles files, long name) => (files.OpenMap(new(InternLmFileKind.Step) { Step = name }).Find("step") as TorchScalar)?.Value as long?;

    /// <summary>Compares the marker with the counters.</summary>
    /// <exception cref="CorruptCheckpointException">They are of two steps, or the marker is of another one than its name says.</exception>
    public static void CheckMarker(InternLmFiles files, long step, StateMap? context)
    {
        long? marked = MarkedStep(files, step);
        if (marked != step)
            throw RankTensors.Bad(files.Folder, $"its {Marker.FileName(step)} is of step {Text(marked)}");
        if (context is not null && Counted(context) != step)
            throw RankTensors.Bad(files.Folder, $"its counters are of step {Text(Counted(context))} and its marker of step {step}: {Interrupted}");
    }

    /// <summary>Compares the optimizer's counts of updates with each other and with the counters.</summary>
    /// <param name="checkpoint">The copy.</param>
    /// <param name="files">Its files, for errors.</param>
    /// <param name="isPermanent">Whether the folder is a checkpoint's, which is never overwritten.</param>
    /// <param name="context">The counters.</param>
    /// <exception cref="CorruptCheckpointException">They are of several steps.</exception>
    public static void CheckOptimizer(InternLmCheckpoint checkpoint, InternLmFiles files, bool isPermanent, StateMap? context)
    {
        (string File, double Step)[] found = [.. checkpoint.OptimizerSteps];
        if (found.Length == 0)
            return;
        if (Array.Find(found, one => one.Step != found[0].Step) is { File: not null } other)
            throw RankTensors.Bad(files.Folder, $"{found[0].File} is of step {found[0].Step} and {other.File} of step {other.Step}: {Interrupted}");
        long? counted = context is null ? null : Counted(context);
        // Without a count of updates the batches are an upper bound: some were skipped.
        if (counted is not { } steps || found[0].Step == steps || (Number(context!, StepCount) is null && found[0].Step < steps))
            return;
        // A run may begin with another one's optimizer, or with a new one. Where nothing is ever overwritten, and the scheduler agrees with the counters, that is what happened.
        if (isPermanent && ScheduledSteps(checkpoint) == steps)
            return;
        throw RankTensors.Bad(files.Folder, $"{found[0].File} is of step {found[0].Step} and its counters are of step {steps}: {Interrupted}");
    }

    // A warm-up stops counting when it is over, and the scheduler behind it begins at 0.
    private static long? ScheduledSteps(InternLmCheckpoint checkpoint) => checkpoint.SavedScheduler is { } scheduler
        ? Number(scheduler, LastEpoch) + (scheduler.TryGetValue("after_scheduler_dict", out StateNode? node) && node is StateMap after ? Number(after, LastEpoch) ?? 0 : 0)
        : null;

    private static long? Number(StateMap map, string key) => map.TryGetValue(key, out StateNode? node) && node is StateScalar { Value: long value } ? value : null;

    private static string Text(long? step) => step?.ToString(CultureInfo.InvariantCulture) ?? "unknown";
}
