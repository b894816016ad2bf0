using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace TinyLm;

/// <summary>A table that is redrawn in place, with events scrolling above it.</summary>
public sealed class LiveProgressView(IAnsiConsole console, TimeProvider clock) : ITrainingView
{
    static readonly TimeSpan RedrawEvery = TimeSpan.FromMilliseconds(100);

    readonly Lock _lock = new();
    readonly TaskCompletionSource _end = new();
    LiveDisplayContext? _context;
    Task _display = Task.CompletedTask;
    TrainingProgress? _newest;
    long _drawnAt;

    public void Started(IReadOnlyList<string> lines)
    {
        WriteLines(lines);
        // Spectre holds the display open for as long as this task runs; the loop only hands it new tables.
        _display = console.Live(Text.Empty).StartAsync(context =>
        {
            _context = context;
            return _end.Task;
        });
    }

    public void Batch(TrainingProgress progress)
    {
        _newest = progress;
        if (_drawnAt == 0 || clock.GetElapsedTime(_drawnAt) >= RedrawEvery)
        {
            Draw();
        }
    }

    public void Event(string line) => WriteLines([line]);

    public void Finished(IReadOnlyList<string> lines)
    {
        Close();
        WriteLines(lines);
    }

    public void Dispose() => Close();

    void Draw()
    {
        if (_newest is not { } progress)
        {
            return;
        }
        lock (_lock)
        {
            _context?.UpdateTarget(Table(progress));
        }
        (_newest, _drawnAt) = (null, clock.GetTimestamp());
    }

    void Close()
    {
        if (_end.Task.IsCompleted)
        {
            return;
        }
        Draw();
        _end.SetResult();
        _display.GetAwaiter().GetResult();
        _context = null;
    }

    void WriteLines(IReadOnlyList<string> lines)
    {
        lock (_lock)
        {
            foreach (var line in lines)
            {
                console.WriteLine(line);
            }
        }
    }

    static Table Table(TrainingProgress progress)
    {
        var invariant = CultureInfo.InvariantCulture;
        var table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumns("", "");
        table.AddRow(new Text("batch"), Bar(progress));
        Row("step", progress.Step.ToString(invariant));
        Row("skipped", progress.Skipped.ToString(invariant), progress.Skipped > 0 ? Color.Yellow : Color.Default);
        Row("loss", ProgressText.Loss(progress));
        Row("learning rate", ProgressText.LearningRate(progress));
        Row("speed", ProgressText.Speed(progress));
        Row("checkpoint", progress.LastCheckpoint ?? "none yet", progress.LastCheckpoint is null ? Color.Grey : Color.Green);
        Row("snapshot", progress.LastSnapshot ?? "none yet", progress.LastSnapshot is null ? Color.Grey : Color.Green);
        Row("last stall", ProgressText.Stall(progress) ?? "none yet", progress.LastStall is null ? Color.Grey : Color.Default);
        return table;

        void Row(string name, string value, Color? color = null) =>
            table.AddRow(new Text(name), new Text(value, new Style(color ?? Color.Default)));
    }

    static Columns Bar(TrainingProgress progress)
    {
        const int width = 32;
        var done = (int)((long)width * progress.Batch / Math.Max(1, progress.TotalBatches));
        IRenderable bar = new Markup($"[green]{new string('━', done)}[/][grey]{new string('━', width - done)}[/]");
        return new Columns(bar, new Text($"{progress.Batch}/{progress.TotalBatches}")).Collapse();
    }
}
