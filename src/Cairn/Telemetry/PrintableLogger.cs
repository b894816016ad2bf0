using Microsoft.Extensions.Logging;

namespace Cairn.Telemetry;

/// <summary>Passes messages on as they may be shown: names in them come from files that anybody wrote, and many a log goes to a terminal.</summary>
internal sealed class PrintableLogger(ILogger inner) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        inner.Log(logLevel, eventId, state, exception, (values, error) => PrintableText.Of(formatter(values, error)));
}
