namespace Cairn.Running;

/// <summary>The places of a run at which is decided what to save and whether to stop.</summary>
internal enum DecisionPoint
{
    /// <summary>The end of a batch.</summary>
    Batch,
    /// <summary>In long work between two batches.</summary>
    Poll,
    /// <summary>The end of the batch at which training ends, once the save under way is over.</summary>
    End,
    /// <summary>The program says that training is over.</summary>
    Completion,
    /// <summary>After the last save, when all is brought to the home that is not there.</summary>
    Drain,
}
