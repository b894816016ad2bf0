using Microsoft.Extensions.Logging;

namespace TinyLm;

/// <summary>Shows what Cairn logs as events of the view; the summary at the end is the view's own.</summary>
public sealed class EventLogger(ITrainingView view) : ILoggerProvider, ILogger
{
    const int Finished = 23;

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (eventId.Id == Finished)
        {
            return;
        }
        var prefix = logLevel switch { LogLevel.Warning => "warning: ", >= LogLevel.Error => "error: ", _ => "" };
        view.Event(prefix + formatter(state, exception) + (exception is null ? "" : ": " + exception.Message));
    }

    public void Dispose()
    {
    }
}
