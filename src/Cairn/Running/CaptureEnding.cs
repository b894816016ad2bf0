using Cairn.Saving;
using Cairn.Stopping;

namespace Cairn.Running;

/// <summary>Judges whether state that is still being copied (<see cref="CheckpointOptions.OverlapCapture"/>) is the state of one step, by what has happened since the copy began. Belongs to the training thread.</summary>
internal sealed class CaptureEnding(SaveEngine engine, BatchWatch batch)
{
    /// <summary>At the end of a batch, before it becomes the boundary: good when nothing was updated.</summary>
    /// <exception cref="InvalidOperationException">There was an update, and nobody said so before.</exception>
    public void AfterBatch()
    {
        if (!engine.IsCapturing || !batch.HasUpdated)
        {
            engine.FinishCapture();
            return;
        }
        var forgotten = new InvalidOperationException(
            $"The state was updated while it was still being copied for the save of step {engine.Writer.UnderWayStep}, which is given up; earlier copies stand. With OverlapCapture, call BeforeUpdate() before each optimizer.step() and before anything else that writes to the state.");
        engine.AbandonCapture(forgotten);
        throw forgotten;
    }

    /// <summary>Where training may be between two batches. In the middle of one the copy goes on: its update or its end comes later.</summary>
    public void AtRest()
    {
        if (engine.IsCapturing && batch.IsAtBoundary)
            engine.FinishCapture();
    }

    /// <summary>At the end of the run. In the middle of a batch nobody knows whether its update has begun.</summary>
    public void AtEnd()
    {
        AtRest();
        if (engine.IsCapturing)
            engine.AbandonCapture(new UnfinishedBatchException($"The state was still being copied for the save of step {engine.Writer.UnderWayStep} when the run ended within the next batch, whose update may have begun"));
    }
}
