using Cairn.Telemetry;
using Cairn.Tests.Manager;
using Microsoft.Extensions.Logging;

namespace Cairn.Tests.Telemetry;

public class LoggerTests
{
    [Fact]
    public void Control_characters_of_a_name_do_not_reach_a_terminal()
    {
        var log = new RecordedLog();
        new PrintableLogger(log).SaveNote("a\e[2Jb");
        log.At(LogLevel.Warning).Concat(log.At(LogLevel.Information)).ShouldHaveSingleItem().ShouldNotContain('\e');
    }

    [Fact]
    public void A_logger_that_throws_ends_nothing()
    {
        var logger = new PrintableLogger(new Broken());
        Should.NotThrow(() => logger.SaveNote("a note"));
        logger.IsEnabled(LogLevel.Error).ShouldBeTrue();
    }

    [Fact]
    public void Of_many_ranks_the_others_tell_only_what_is_wrong()
    {
        var log = new RecordedLog();
        var logger = new ProblemLogger(log);
        logger.StartedFresh("run", "folder");
        logger.OptionWarning("look here");
        log.At(LogLevel.Information).ShouldBeEmpty();
        log.At(LogLevel.Warning).ShouldHaveSingleItem().ShouldContain("look here");
    }

    private sealed class Broken : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => throw new ObjectDisposedException("provider");
        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => throw new ObjectDisposedException("provider");
    }
}
