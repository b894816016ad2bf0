using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Cairn.Hosting.Tests;

/// <summary>A host with a training that counts, over a folder of its own. Restores the exit code.</summary>
internal sealed class TestHost : IDisposable, ILogger
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cairn-");
    private readonly List<string> _lines = [];
    private readonly int _exitCode = Environment.ExitCode;

    public Script Script { get; private set; } = new();
    public FakeTimeProvider Time { get; } = new();

    public IHost Build(Action<CheckpointOptions>? configure = null, Action<HostOptions>? host = null, bool stopHostAtEnd = true)
    {
        Script = new Script { Batch = Script.Batch, Capture = Script.Capture };
        HostApplicationBuilder builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.AddProvider(new Provider(this));
        builder.Services.AddSingleton<TimeProvider>(Time).AddSingleton(Script);
        builder.Services.AddCairnTraining<Counting>(stopHostAtEnd);
        builder.Services.AddCairn(options => (options.Folder, options.HandleSignals, options.CheckpointEvery) = (_folder.FullName, true, 10));
        builder.Services.AddHealthChecks().AddCairn();
        if (configure is not null)
            builder.Services.AddCairn(configure);
        if (host is not null)
            builder.Services.Configure(host);
        return builder.Build();
    }

    public static async Task<HealthReportEntry> HealthAsync(IHost host) =>
        (await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestContext.Current.CancellationToken)).Entries["cairn"];

    public IEnumerable<string> Copies() => _folder.GetDirectories().Where(folder => folder.Name.All(char.IsAsciiDigit)).Select(folder => folder.Name).OrderBy(long.Parse);

    public bool Said(string text)
    {
        lock (_lines)
            return _lines.Exists(line => line.Contains(text, StringComparison.Ordinal));
    }

    public void Dispose()
    {
        Environment.ExitCode = _exitCode;
        if (_folder.Exists)
            _folder.Delete(recursive: true);
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
            _lines.Add($"{logLevel}: {formatter(state, exception)}");
    }

    private sealed class Provider(ILogger logger) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => logger;
        public void Dispose() { }
    }
}
