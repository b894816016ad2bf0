namespace Cairn.S3.Tests;

/// <summary>How a service fails.</summary>
internal enum ServiceFault
{
    /// <summary>All connections end, and new ones do for a while.</summary>
    CutOff,
    /// <summary>The gateway ends as by a crash, and is gone for a while.</summary>
    Killed,
    /// <summary>The gateway ends in order and is there again at once.</summary>
    Restarted,
    /// <summary>Nothing more fits in, until somebody makes room.</summary>
    Full,
}

/// <summary>The gateway by way of a proxy, which fails in the middle of a request and comes back. How long that takes is counted in what is tried meanwhile, not in seconds.</summary>
internal sealed class FailingService(ObjectGateway gateway) : IAsyncDisposable
{
    private readonly CuttingProxy _proxy = new(gateway.Endpoint, 0);
    private TaskCompletionSource _refused = new();
    private int _refusals;

    /// <summary>How to reach it.</summary>
    public S3StoreOptions Options
    {
        get
        {
            S3StoreOptions options = gateway.Options;
            options.Endpoint = _proxy.Address;
            return options;
        }
    }

    /// <summary>Lets it fail once.</summary>
    /// <param name="fault">How.</param>
    /// <param name="pieces">How many pieces of requests get through before.</param>
    /// <param name="tries">It comes back after so many connections to nowhere; a full one after so many <see cref="Refused"/>.</param>
    /// <returns>Ends once it begins to fail, and once all is well again.</returns>
    public (Task Fails, Task IsBack) FailOnce(ServiceFault fault, int pieces, int tries)
    {
        TaskCompletionSource fails = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource<Task> failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _proxy.Before(pieces, () => Task.Run(() =>
        {
            fails.SetResult();
            try
            {
                Task isOver = fault switch
                {
                    ServiceFault.Restarted => Task.CompletedTask,
                    ServiceFault.Full => WhenRefused(tries),
                    _ => _proxy.WhenUnserved(tries),
                };
                Begin(fault);
                failed.SetResult(isOver);
            }
            catch (Exception e)
            {
                failed.SetException(e);
            }
        }));
        return (fails.Task, BackAsync());

        async Task BackAsync()
        {
            await await failed.Task;
            await Task.Run(() => End(fault));
        }
    }

    /// <summary>Says that the service could not do what it was to do for the run.</summary>
    public void Refused()
    {
        if (Interlocked.Decrement(ref _refusals) == 0)
            _refused.SetResult();
    }

    public ValueTask DisposeAsync() => _proxy.DisposeAsync();

    private Task WhenRefused(int times)
    {
        _refused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _refusals, times);
        return _refused.Task;
    }

    private void Begin(ServiceFault fault)
    {
        switch (fault)
        {
            case ServiceFault.CutOff:
                _proxy.Cut();
                break;
            case ServiceFault.Killed:
                gateway.Kill();
                break;
            case ServiceFault.Restarted:
                gateway.Restart();
                break;
            case ServiceFault.Full:
                gateway.Fill(isFull: true);
                break;
        }
    }

    private void End(ServiceFault fault)
    {
        switch (fault)
        {
            case ServiceFault.CutOff:
                _proxy.Mend();
                break;
            case ServiceFault.Killed:
                gateway.Start();
                break;
            case ServiceFault.Full:
                gateway.Fill(isFull: false);
                break;
        }
    }
}
