using System.Text.Json;
using Cairn.Advice.Audit;
using Cairn.Cli.Reporting.Data;
using Cairn.Stores;

namespace Cairn.Cli.Runs;

/// <summary>How a run does now: its progress, its journal and its lock, read again and again.</summary>
internal sealed class RunMonitor(IFileSource files, TimeProvider time)
{
    // The rate is that of the last while, so that a stall or a slow batch does not show for ever.
    private static readonly TimeSpan RateWindow = TimeSpan.FromSeconds(30);

    private readonly JournalTail _journal = new(files);
    private readonly JournalReading _reading = new();
    private readonly Queue<(DateTimeOffset Time, long Step)> _seen = [];

    /// <summary>Where the run stands.</summary>
    public RunProgress? Progress { get; private set; }

    /// <summary>What its journal says.</summary>
    public RunHistory History { get; private set; } = new(HistorySource.Cairn, new RunConfiguration(), [], 0);

    /// <summary>Lines of the journal that came by the last <see cref="Look"/>, but for those of metrics.</summary>
    public IReadOnlyList<JsonElement> News { get; private set; } = [];

    /// <summary>Whether a process trains it; <see langword="null"/> when that cannot be known here.</summary>
    public bool? IsAlive { get; private set; }

    /// <summary>Steps per second over the last while; <see langword="null"/> when it is not known yet.</summary>
    public double? Rate { get; private set; }

    /// <summary>How the last process ended, or that it has not.</summary>
    public SessionEnd End => History.Sessions is not [.., var last] ? SessionEnd.Unknown
        : last.End == SessionEnd.Unknown && IsAlive != false ? SessionEnd.Running : last.End;

    /// <summary>Reads what is new.</summary>
    public void Look()
    {
        // First the lock: a process that ends writes its last words before it lets go.
        IsAlive = RunLiveness.Of(files).IsAlive;
        List<string> news = _journal.Read();
        foreach (string line in MetricLine.Newest(news))
            _reading.Take(line);
        History = _reading.History;
        News = [.. news.Where(line => !MetricLine.Is(line)).Select(Parse).OfType<JsonElement>()];
        Progress = RunProgress.Read(files) ?? Progress;
        if (Progress is not { } now)
            return;
        // A new process goes on further back.
        if (_seen.Count > 0 && _seen.Last().Step > now.Step)
            _seen.Clear();
        if (_seen.Count == 0 || _seen.Last().Time != now.Time)
            _seen.Enqueue((now.Time, now.Step));
        while (_seen.Count > 2 && now.Time - _seen.Peek().Time > RateWindow)
            _seen.Dequeue();
        (DateTimeOffset since, long from) = _seen.Peek();
        // A process of which nothing was heard for long does not move.
        Rate = _seen.Count < 2 || IsAlive == false || time.GetUtcNow() - now.Time > RateWindow * 2 ? null : (now.Step - from) / (now.Time - since).TotalSeconds;
        // The journal may know more, and both are to be told alike.
        if (History.Sessions is [.., var session] && session.LastStep > now.Step)
            Progress = now with { Step = session.LastStep, Batch = Math.Max(now.Batch, session.LastBatch) };
    }

    /// <summary>The next multiple of an interval; <see langword="null"/> without one, or when the run ends before it.</summary>
    public long? Next(long? every) =>
        every is > 0 && Progress is { } now && (now.Step / every.Value + 1) * every.Value is var next && !(next > now.TotalSteps) ? next : null;

    private static JsonElement? Parse(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
