using System.Threading.Channels;

namespace Cairn.Alerts;

/// <summary>Sends alerts behind the back of whoever has them: <see cref="Send"/> never waits, and each receiver has a queue of its own, which gives up its oldest alert when it is full.</summary>
internal sealed class AlertSender : IDisposable
{
    /// <summary>Alerts that wait for one receiver at most.</summary>
    public const int Capacity = 64;

    private readonly Lock _gate = new();
    private readonly AlertThrottle _throttle;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly ITimer _timer;
    private readonly Lane[] _lanes;

    /// <param name="sinks">The receivers, and what each is called in messages.</param>
    /// <param name="interval">Time in which one alert of a kind goes out.</param>
    /// <param name="time">The clock.</param>
    /// <param name="problem">Hears, from any thread, what could not be sent.</param>
    public AlertSender(IEnumerable<(string Name, IAlertSink Sink)> sinks, TimeSpan interval, TimeProvider time, Action<string> problem)
    {
        (_throttle, _time, _start) = (new AlertThrottle(interval), time, time.GetTimestamp());
        _lanes = [.. sinks.Select(sink => new Lane(sink.Name, sink.Sink, problem))];
        _timer = time.CreateTimer(static sender => ((AlertSender)sender!).SendDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Sends it, now or when its kind may be sent again. From any thread; never waits.</summary>
    public void Send(Alert alert)
    {
        lock (_gate)
        {
            if (_throttle.Offer(alert, Now) is { } now)
                Enqueue(now);
            else
                Schedule();
        }
    }

    /// <summary>Sends what is held back: the end comes, and is told after it.</summary>
    public void SendHeld()
    {
        lock (_gate)
        {
            foreach (Alert alert in _throttle.All(Now))
                Enqueue(alert);
        }
    }

    /// <summary>Sends what is left, and waits for it as long as this. Nothing is sent after it.</summary>
    public void Flush(TimeSpan atMost)
    {
        SendHeld();
        Task[] ends = [.. _lanes.Select(lane => lane.End())];
        Task.WaitAll(ends, atMost);
        foreach (Lane lane in _lanes)
            lane.GiveUp();
    }

    public void Dispose()
    {
        _timer.Dispose();
        foreach (Lane lane in _lanes)
            lane.Dispose();
    }

    private TimeSpan Now => _time.GetElapsedTime(_start);

    private void SendDue()
    {
        lock (_gate)
        {
            foreach (Alert alert in _throttle.Due(Now))
                Enqueue(alert);
            Schedule();
        }
    }

    private void Schedule()
    {
        if (_throttle.NextDue is { } due)
            _timer.Change(due > Now ? due - Now : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private void Enqueue(Alert alert)
    {
        foreach (Lane lane in _lanes)
            lane.Add(alert);
    }

    // What waits for one receiver. The queue's own thread is one of the pool, which training does not use.
    private sealed class Lane : IDisposable
    {
        private readonly string _name;
        private readonly IAlertSink _sink;
        private readonly Action<string> _problem;
        private readonly Channel<Alert> _queue;
        private readonly CancellationTokenSource _over = new();
        private readonly CancellationToken _isOver;
        private readonly Task _sending;
        private long _dropped;

        public Lane(string name, IAlertSink sink, Action<string> problem)
        {
            (_name, _sink, _problem) = (name, sink, problem);
            _queue = Channel.CreateBounded<Alert>(new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true }, _ => Interlocked.Increment(ref _dropped));
            _isOver = _over.Token;
            _sending = Task.Run(SendAllAsync);
        }

        public void Add(Alert alert) => _queue.Writer.TryWrite(alert);

        public Task End()
        {
            _queue.Writer.TryComplete();
            return _sending;
        }

        public void GiveUp()
        {
            if (_sending.IsCompleted)
                return;
            _problem($"{_queue.Reader.Count + 1} of the last alerts could not be sent to {_name} in time.");
            _over.Cancel();
        }

        public void Dispose() => _over.Dispose();

        private async Task SendAllAsync()
        {
            await foreach (Alert alert in _queue.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                if (_isOver.IsCancellationRequested)
                    return;
                long dropped = Interlocked.Exchange(ref _dropped, 0);
                if (dropped > 0)
                    _problem($"{dropped} alerts were given up: {_name} does not take them as fast as they come.");
                try
                {
                    await _sink.SendAsync(alert with { Dropped = dropped }, _isOver).ConfigureAwait(false);
                }
                catch (OperationCanceledException) when (_isOver.IsCancellationRequested)
                {
                    return;
                }
                // Whatever a user's own receiver throws: training has nothing to do with it.
                catch (Exception e)
                {
                    _problem($"The alert '{AlertBody.NameOf(alert.Kind)}' of step {alert.Step} was not sent to {_name}: {e.Message}");
                }
            }
        }
    }
}
