using Microsoft.Extensions.Logging;

namespace Cairn.Telemetry;

/// <summary>Every message of the library, with its event id.</summary>
internal static partial class CairnLog
{
    [LoggerMessage(1, LogLevel.Information, "Run {Run} in {Folder} starts at step 0")]
    public static partial void StartedFresh(this ILogger logger, string run, string folder);

    [LoggerMessage(2, LogLevel.Information, "Run {Run} resumes at step {Step} from {Copy}; to make again: {Lost}")]
    public static partial void Resumed(this ILogger logger, string run, long step, string copy, string lost);

    [LoggerMessage(40, LogLevel.Warning, "The process before had made {Lost} in {Folder}, and no copy of it is there: all of that is made again")]
    public static partial void LostAll(this ILogger logger, string lost, string folder);

    [LoggerMessage(3, LogLevel.Warning, "Passed over: {Fault}. It is left for inspection")]
    public static partial void PassedOver(this ILogger logger, string fault);

    [LoggerMessage(4, LogLevel.Warning, "{Warning}")]
    public static partial void OptionWarning(this ILogger logger, string warning);

    [LoggerMessage(5, LogLevel.Warning, "The run's lock was left by process {Process} on {Host}, which ended without releasing it; it is taken over")]
    public static partial void TookOverLock(this ILogger logger, int process, string host);

    [LoggerMessage(8, LogLevel.Warning, "{Reason}")]
    public static partial void WaitsForLock(this ILogger logger, string reason);

    [LoggerMessage(9, LogLevel.Critical, "{Reason}")]
    public static partial void LostLock(this ILogger logger, string reason);

    [LoggerMessage(6, LogLevel.Information, "Branched at step {Step}: now on branch {Branch} '{Name}'. Newer copies are kept but not resumed")]
    public static partial void Branched(this ILogger logger, long step, int branch, string name);

    [LoggerMessage(7, LogLevel.Warning, "Not exact: {Part}")]
    public static partial void NotExact(this ILogger logger, string part);

    [LoggerMessage(35, LogLevel.Warning, "Settings differ: {Difference}. ResumeSettings says which of the two holds")]
    public static partial void SettingDiffers(this ILogger logger, string difference);

    [LoggerMessage(10, LogLevel.Information, "Saved {Kind} {Step} ({Reason}): {Size} in {Seconds:0.000} s, training waited {Stall:0.000} s")]
    public static partial void Saved(this ILogger logger, string kind, long step, string reason, string size, double seconds, double stall);

    [LoggerMessage(36, LogLevel.Information, "Recoverable {Kind} {Step} ({Reason}): {Size} in the fast folder in {Seconds:0.000} s, training waited {Stall:0.000} s")]
    public static partial void Recoverable(this ILogger logger, string kind, long step, string reason, string size, double seconds, double stall);

    [LoggerMessage(37, LogLevel.Information, "Durable {Kind} {Step}: {Size}, {Seconds:0.000} s after it was captured")]
    public static partial void Durable(this ILogger logger, string kind, long step, string size, double seconds);

    /// <summary>The first of a type comes with its exception, and so with where it arose.</summary>
    public const int NotAtHomeId = 38;

    [LoggerMessage(NotAtHomeId, LogLevel.Warning, "A copy stays in the fast folder for now; it is tried again: {Why}")]
    public static partial void NotAtHome(this ILogger logger, Exception? error, string why);

    /// <summary>Told of the 1st, 2nd, 4th, 8th…</summary>
    public const int DroppedForDrainId = 39;

    [LoggerMessage(DroppedForDrainId, LogLevel.Warning, "The snapshot of step {Step} was dropped: what stands in the fast folder is still on its way to the home. Dropped so far: {Count}; told again at twice as many")]
    public static partial void DroppedForDrain(this ILogger logger, long step, long count);

    /// <summary>As <see cref="NotAtHomeId"/>.</summary>
    public const int FailedId = 11;

    [LoggerMessage(FailedId, LogLevel.Error, "The {Kind} of step {Step} was not saved. Training goes on, earlier copies are untouched: {Why}")]
    public static partial void Failed(this ILogger logger, Exception? error, string kind, long step, string why);

    /// <summary>As <see cref="DroppedForDrainId"/>.</summary>
    public const int DroppedId = 12;

    [LoggerMessage(DroppedId, LogLevel.Warning, "The snapshot of step {Step} was dropped: the save of step {Busy} is still being written. Dropped so far: {Count}; told again at twice as many")]
    public static partial void Dropped(this ILogger logger, long step, long busy, long count);

    [LoggerMessage(13, LogLevel.Warning, "{Note}")]
    public static partial void SaveNote(this ILogger logger, string note);

    [LoggerMessage(14, LogLevel.Warning, "Step {Step} was saved although '{Tensor}' holds NaN or infinity")]
    public static partial void SavedNonFinite(this ILogger logger, long step, string tensor);

    [LoggerMessage(15, LogLevel.Information, "Retired checkpoint {Step}")]
    public static partial void Retired(this ILogger logger, long step);

    /// <summary>As <see cref="NotAtHomeId"/>.</summary>
    public const int RetentionFailedId = 16;

    [LoggerMessage(RetentionFailedId, LogLevel.Warning, "Old checkpoints could not be removed; this is tried again after the next save: {Why}")]
    public static partial void RetentionFailed(this ILogger logger, Exception? error, string why);

    [LoggerMessage(31, LogLevel.Warning, "CheckpointPolicy or SnapshotPolicy failed at step {Step}, and counts as not due whenever it fails. What was asked for and the end are saved all the same")]
    public static partial void PolicyFailed(this ILogger logger, Exception error, long step);

    [LoggerMessage(20, LogLevel.Information, "Told to stop by {Signal}: the next batch boundary saves and ends{Then}")]
    public static partial void Signalled(this ILogger logger, string signal, string then);

    [LoggerMessage(21, LogLevel.Warning, "{Problem}")]
    public static partial void StopFileProblem(this ILogger logger, string problem);

    [LoggerMessage(22, LogLevel.Error, "The run ends without a final save: {Why}; {Newest}")]
    public static partial void EndNotSaved(this ILogger logger, string why, string newest);

    /// <summary>Told more than once, by <see cref="TrainsOn"/>.</summary>
    public const int TrainsOnId = 30;

    [LoggerMessage(29, LogLevel.Warning, "Complete was called, and batch {Batch} was trained after it. What is trained now is saved as before; call Complete again at the end, and not before")]
    public static partial void TrainsOnAfterComplete(this ILogger logger, long batch);

    [LoggerMessage(TrainsOnId, LogLevel.Error, "Training goes on after its end, by {Batches} so far ({Why}). Leave the loop when AfterBatch returns false. What it makes is saved when it is due and at the end")]
    public static partial void TrainsOn(this ILogger logger, string batches, string why);

    [LoggerMessage(33, LogLevel.Warning, "run.json could not be written, so it does not say that the run is finished: started again, it trains on")]
    public static partial void EndNotRecorded(this ILogger logger, Exception error);

    [LoggerMessage(34, LogLevel.Information, "The run is finished at step {Step}: {Why}. To continue training, raise TotalSteps or call TrainState.Reopen")]
    public static partial void AlreadyFinished(this ILogger logger, long step, string why);

    [LoggerMessage(32, LogLevel.Error, "The run ends although its store has not answered: {Problem}")]
    public static partial void EndedWhileSaving(this ILogger logger, string problem);

    [LoggerMessage(27, LogLevel.Warning, "The end is saved, but data drawn after batch {Batch} was not trained on. A resumed run continues after that data")]
    public static partial void DrawnInVain(this ILogger logger, long batch);

    [LoggerMessage(28, LogLevel.Error, "This rank ends after batch {Batch} while others train on: {Problem}")]
    public static partial void EndedAlone(this ILogger logger, long batch, string problem);

    [LoggerMessage(23, LogLevel.Information, "{Summary}")]
    public static partial void Finished(this ILogger logger, string summary);

    [LoggerMessage(25, LogLevel.Warning, "The run's file 'command' cannot be used: {Problem}")]
    public static partial void CommandProblem(this ILogger logger, string problem);

    [LoggerMessage(26, LogLevel.Information, "Asked to {Action}: {State} at step {Step} {Problem}")]
    public static partial void CommandAnswered(this ILogger logger, string action, string state, long step, string problem);

    [LoggerMessage(60, LogLevel.Warning, "{Problem}")]
    public static partial void AlertNotSent(this ILogger logger, string problem);

    [LoggerMessage(61, LogLevel.Warning, "The event file for TensorBoard in {Folder} cannot be written; training goes on without it, and it is tried again")]
    public static partial void TensorBoardFailed(this ILogger logger, Exception error, string folder);

    [LoggerMessage(64, LogLevel.Information, "Checkpoint {Step} keeps its weights, and lost its optimizer and what else only a restart needs")]
    public static partial void WeightsOnly(this ILogger logger, long step);

    [LoggerMessage(62, LogLevel.Warning, "{Message}")]
    public static partial void SpaceWillEnd(this ILogger logger, string message);

    [LoggerMessage(63, LogLevel.Debug, "Whether the planned saves will fit is not known: {Problem}")]
    public static partial void NoForecast(this ILogger logger, string problem);

    [LoggerMessage(24, LogLevel.Warning, "The journal cannot be written; training goes on without it")]
    public static partial void JournalFailed(this ILogger logger, Exception error);
}
