namespace Cairn.Mpi;

/// <summary>MPI cannot be loaded or started, or reported an error, with its own text.</summary>
public sealed class MpiException(string message) : CheckpointException(message)
{
    /// <summary>MPI's error code; null when it did not come that far.</summary>
    public int? Code { get; init; }
}
