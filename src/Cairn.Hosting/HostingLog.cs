using Microsoft.Extensions.Logging;

namespace Cairn.Hosting;

/// <summary>What the training of a host has to say.</summary>
internal static partial class HostingLog
{
    [LoggerMessage(1, LogLevel.Information, "{Signal}: the host stops")]
    public static partial void StopsHostBySignal(this ILogger logger, string signal);

    [LoggerMessage(2, LogLevel.Information, "Training has ended, and the host stops")]
    public static partial void StopsHostAtEnd(this ILogger logger);

    [LoggerMessage(3, LogLevel.Warning, "The host's ShutdownTimeout is over, and the end of the run is still being saved, which is waited for. Raise HostOptions.ShutdownTimeout, and the time that the scheduler gives")]
    public static partial void WaitsForEnd(this ILogger logger);

    [LoggerMessage(4, LogLevel.Error, "The host's ShutdownTimeout is over in the middle of a batch, whose end is not saved: the newest durable copy is of step {Step}. Raise HostOptions.ShutdownTimeout above the time of a batch and a save")]
    public static partial void LeavesBatch(this ILogger logger, long? step);

    [LoggerMessage(5, LogLevel.Warning, "When the host is stopped, the batch under way and a save must end within its ShutdownTimeout of {Timeout}. They have taken up to {Batch} and {Save}. Raise HostOptions.ShutdownTimeout, and the time that the scheduler gives")]
    public static partial void ShutdownTimeoutTooShort(this ILogger logger, string timeout, string batch, string save);
}
