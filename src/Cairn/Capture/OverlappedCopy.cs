using System.Runtime.ExceptionServices;
using Cairn.State;
using Cairn.Stores;

namespace Cairn.Capture;

/// <summary>
/// A copy of live state that goes on while training computes: on a thread of its own, and on all processors once training waits for it. It is good when whoever trains says so before the
/// state changes (<see cref="Finish"/>); until then what was copied may be written, and gets no name.
/// </summary>
internal sealed class OverlappedCopy
{
    private const string ThreadName = "Cairn capture";

    private readonly TaskCompletionSource _copied = new(TaskCreationOptions.RunContinuationsAsynchronously), _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int _count;
    private readonly List<IDisposable> _held = [];
    private Action<int>? _copy;
    private ExceptionDispatchInfo? _fault;
    private int _next, _left;

    private OverlappedCopy(int count, Action<int> copy)
    {
        (_count, _left, _copy) = (count, count, copy);
        if (count == 0)
            _copied.SetResult();
    }

    /// <summary>How long training has waited for the rest.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>Begins to copy. Where the system gives no thread, <see cref="Finish"/> does it all.</summary>
    /// <param name="live">What is copied.</param>
    /// <param name="count">How many pieces there are.</param>
    /// <param name="copy">Copies one of them; called for several at once.</param>
    public static OverlappedCopy Begin(IEnumerable<StateTensor> live, int count, Action<int> copy)
    {
        var overlapped = new OverlappedCopy(count, copy);
        // The program may dispose a model at any time; what is read here is then the last that has it.
        foreach (StateTensor tensor in live)
        {
            if (tensor.Hold() is { } held)
                overlapped._held.Add(held);
        }
        _ = AsideThread.TryStart(ThreadName, overlapped.CopyAll, out _);
        return overlapped;
    }

    /// <summary>Copies what is left, on all processors. The state is as it was at the beginning: the copy is good, unless a tensor could not be read.</summary>
    /// <param name="time">The clock.</param>
    public void Finish(TimeProvider time)
    {
        long started = time.GetTimestamp();
        if (Volatile.Read(ref _next) < _count)
            Parallel.For(0, Environment.ProcessorCount, _ => CopyAll());
        Settle(() => Waited = time.GetElapsedTime(started));
    }

    /// <summary>The state changes, or may have changed: the copy is good for nothing, if it was not found good before. Nothing is copied after this.</summary>
    public void Abandon(Exception why)
    {
        if (_settled.Task.IsCompleted)
            return;
        Interlocked.CompareExchange(ref _fault, ExceptionDispatchInfo.Capture(why), null);
        CopyAll();
        Settle(static () => { });
    }

    /// <summary>Waits until all is copied. Whether it is good is another matter.</summary>
    /// <exception cref="CheckpointException">It was given up, or a tensor could not be read.</exception>
    public void WaitUntilCopied()
    {
        _copied.Task.Wait();
        Volatile.Read(ref _fault)?.Throw();
    }

    /// <summary>Waits until the copy is known to be good.</summary>
    /// <exception cref="CheckpointException">It was given up, or a tensor could not be read.</exception>
    public void WaitUntilGood()
    {
        _settled.Task.Wait();
        _fault?.Throw();
    }

    // No live tensor is held longer.
    private void Settle(Action before)
    {
        _copied.Task.Wait();
        _copy = null;
        lock (_held)
        {
            foreach (IDisposable held in _held)
                held.Dispose();
            _held.Clear();
        }
        before();
        _settled.TrySetResult();
    }

    private void CopyAll()
    {
        while (Interlocked.Increment(ref _next) - 1 is var piece && piece < _count)
        {
            try
            {
                if (Volatile.Read(ref _fault) is null)
                    _copy!(piece);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref _fault, ExceptionDispatchInfo.Capture(e), null);
            }
            if (Interlocked.Decrement(ref _left) == 0)
                _copied.SetResult();
        }
    }
}
