using Microsoft.Extensions.Logging;

namespace Cairn.Mpi;

/// <summary>Every message of this library, with its event id.</summary>
internal static partial class MpiLog
{
    [LoggerMessage(200, LogLevel.Information, "Rank {Rank} of {Size} over {Library} ({Threads}): {World}")]
    public static partial void Started(this ILogger logger, int rank, int size, string library, string threads, Checkpoints.World world);

    [LoggerMessage(201, LogLevel.Warning, "MPI is not ended in order: not all ranks came to the end, or MPI itself does not return. The launcher may report this rank as failed")]
    public static partial void NotFinalized(this ILogger logger, Exception? error);
}
