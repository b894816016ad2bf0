using Cairn.Ranks;
using Microsoft.Extensions.Logging;

namespace Cairn.Telemetry;

/// <summary>
/// Where warnings and errors go when the program gives no logger: to standard error, each kind once, so that a run whose saves fail is not a silent one. What tells the user to do
/// something now is told each time.
/// </summary>
/// <param name="rank">This rank; <see langword="null"/> for a process that is alone.</param>
internal sealed class StandardErrorLogger(int? rank) : ILogger
{
    // What is said of the start differs from line to line.
    private const int LastOfStart = 9;

    private readonly HashSet<(int, string)> _told = [];
    private readonly Lock _gate = new();

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    // Of many ranks the first one warns for all, and each tells its own errors.
    public bool IsEnabled(LogLevel logLevel) => logLevel >= (rank > 0 ? LogLevel.Error : LogLevel.Warning);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel) || (rank > 0 && exception is RankFailedException))
            return;
        string text = formatter(state, exception);
        // Its first of that type came with the exception, and was told.
        if (exception is null && eventId.Id is CairnLog.FailedId or CairnLog.NotAtHomeId or CairnLog.RetentionFailedId)
            return;
        string kind = eventId.Id <= LastOfStart ? text : exception?.GetType().Name ?? "";
        bool again = eventId.Id is CairnLog.TrainsOnId or CairnLog.DroppedId or CairnLog.DroppedForDrainId;
        lock (_gate)
        {
            if (!_told.Add((eventId.Id, kind)) && !again)
                return;
        }
        string once = again || eventId.Id <= LastOfStart ? "" : " (Told once; journal.jsonl has all. Pass an ILoggerFactory to hear more.)";
        string? why = exception is null ? null : PrintableText.Of(exception.Message);
        try
        {
            Console.Error.WriteLine($"Cairn{(rank is { } number ? $", rank {number}" : "")}: {text}{(why is null || text.EndsWith(why, StringComparison.Ordinal) ? "" : $": {why}")}{once}");
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or UnauthorizedAccessException)
        {
            // Nobody listens.
        }
    }
}
