using Microsoft.Extensions.Logging;

namespace Cairn.Telemetry;

/// <summary>
/// Passes messages on as they may be shown: names in them come from files that anybody wrote, and many a log goes to a terminal. A logger that throws, such as one whose provider the
/// program has disposed of, ends neither training nor a save: what it does not take goes to standard error.
/// </summary>
/// <param name="inner">Where messages go.</param>
/// <param name="rank">This rank; <see langword="null"/> for a process that is alone.</param>
internal sealed class PrintableLogger(ILogger inner, int? rank = null) : ILogger
{
    private readonly StandardErrorLogger _instead = new(rank);

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return inner.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return _instead.IsEnabled(logLevel);
        }
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string Printable(TState values, Exception? error) => PrintableText.Of(formatter(values, error));
        try
        {
            inner.Log(logLevel, eventId, state, exception, Printable);
        }
        catch (Exception)
        {
            _instead.Log(logLevel, eventId, state, exception, Printable);
        }
    }
}
