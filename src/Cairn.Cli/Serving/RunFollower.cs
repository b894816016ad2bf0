using System.Diagnostics;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;
using Cairn.Stores;

namespace Cairn.Cli.Serving;

/// <summary>Looks the runs up again and again while anybody watches, and tells of what is new. May be asked from several threads.</summary>
internal sealed class RunFollower(IReadOnlyList<RunSource> runs, LivePage live)
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(1), BetweenLooksAtStore = TimeSpan.FromSeconds(5);
    // A run whose folder takes long to look through is not looked at all the time.
    private const int MostShare = 10;

    private readonly SemaphoreSlim _looking = new(1);
    private readonly Lock _gate = new();
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string _page = "", _content = "", _said = "";
    private long _version, _looked;
    private TimeSpan _between = TimeSpan.Zero;

    /// <summary>The runs that are followed.</summary>
    public IReadOnlyList<RunSource> Runs => runs;

    /// <summary>The whole page as it is now.</summary>
    public async Task<string> PageAsync(CancellationToken cancellationToken)
    {
        await LookAsync(cancellationToken).ConfigureAwait(false);
        return _page;
    }

    /// <summary>Its main part.</summary>
    public string Content => _content;

    /// <summary>Waits until there is something newer than what was seen, looking for it meanwhile.</summary>
    /// <returns>What there is now, and what an action had to say.</returns>
    public async Task<(long Version, string Said)> WaitAsync(long seen, string heard, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task news;
            lock (_gate)
            {
                if (_version != seen || _said != heard)
                    return (_version, _said);
                news = _news.Task;
            }
            await Task.WhenAny(news, Task.Delay(BetweenLooks, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            await LookAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Tells all that watch what became of an action.</summary>
    public void Say(string text)
    {
        lock (_gate)
        {
            _said = text;
            Announce();
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        await _looking.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_version > 0 && Stopwatch.GetElapsedTime(_looked) < _between)
                return;
            long began = Stopwatch.GetTimestamp();
            RunReport[] reports = [.. runs.Select(run => run.Look())];
            Markup written = ReportPage.Content(reports, acts: live.Token is not null);
            string content = written.ToString();
            if (content != _content)
            {
                string page = ReportPage.Write(reports, written, live);
                lock (_gate)
                {
                    (_content, _page, _version) = (content, page, _version + 1);
                    Announce();
                }
            }
            TimeSpan least = runs.Any(run => run.Files is StoreFiles) ? BetweenLooksAtStore : BetweenLooks / 2, took = Stopwatch.GetElapsedTime(began) * MostShare;
            (_looked, _between) = (Stopwatch.GetTimestamp(), took > least ? took : least);
        }
        catch (Exception e) when (_version > 0 && e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            // What was seen last stands; the next look may succeed again.
            (_looked, _between) = (Stopwatch.GetTimestamp(), BetweenLooksAtStore);
        }
        finally
        {
            _looking.Release();
        }
    }

    private void Announce()
    {
        _news.TrySetResult();
        _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
