using System.Diagnostics;
using Spectre.Console;

namespace Cairn.Cli.Output;

/// <summary>One line on standard error, when that is a terminal, that says how far, how fast and how long still; nothing in the first second.</summary>
internal sealed class ProgressLine(Screen screen, string what, long totalBytes) : IDisposable
{
    private static readonly TimeSpan BeforeFirst = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task? _drawing;
    private ProgressTask? _task;
    private long _done;

    /// <summary>Counts bytes that were done, from any thread.</summary>
    public void Add(long bytes)
    {
        lock (_gate)
        {
            _done += bytes;
            if (_drawing is null && screen.ErrorIsTerminal && !_over.Task.IsCompleted && Stopwatch.GetElapsedTime(_start) >= BeforeFirst)
                _drawing = DrawAsync();
            if (_task is not null)
                _task.Value = _done;
        }
    }

    private Task DrawAsync() => screen.ErrorConsole.Progress().AutoClear(true)
        .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new DownloadedColumn { Base = FileSizeBase.Decimal }, new TransferSpeedColumn { Base = FileSizeBase.Decimal }, new RemainingTimeColumn())
        .StartAsync(async drawn =>
        {
            _task = drawn.AddTask(Screen.Plain(what), maxValue: Math.Max(totalBytes, 1));
            await _over.Task.ConfigureAwait(false);
        });

    /// <summary>Takes the line away: something else is printed now.</summary>
    public void Clear()
    {
        _over.TrySetResult();
        _drawing?.GetAwaiter().GetResult();
    }

    public void Dispose() => Clear();
}
