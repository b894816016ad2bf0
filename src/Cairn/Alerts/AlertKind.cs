namespace Cairn.Alerts;

/// <summary>What an alert is about. In JSON the names are in snake case: <c>save_failed</c>.</summary>
public enum AlertKind
{
    /// <summary>A checkpoint or snapshot was not saved; training goes on.</summary>
    SaveFailed,
    /// <summary>The state was not fit to be saved: weights with NaN or infinity, or an end in the middle of a batch.</summary>
    SaveRefused,
    /// <summary>No copy became durable for <see cref="CheckpointOptions.AlertCopyAge"/>.</summary>
    NoDurableCopy,
    /// <summary>No batch ended for <see cref="CheckpointOptions.AlertSilence"/>.</summary>
    TrainingSilent,
    /// <summary>The planned saves will not fit: the message says at which step space ends, and which option would make them fit.</summary>
    SpaceEnds,
    /// <summary>The run did not resume from its newest copy, for that one cannot be used.</summary>
    FellBack,
    /// <summary>All planned steps are made, or the run ended by its own decision.</summary>
    Finished,
    /// <summary>The run was told to stop, and its end is saved.</summary>
    Stopped,
    /// <summary>Training ended without its end being saved, or its process was killed.</summary>
    Aborted,
}
