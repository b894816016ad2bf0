namespace Cairn.Telemetry;

/// <summary>The free space of a store, as it was a short time ago: a mount that hangs keeps nobody waiting who asks.</summary>
/// <param name="ask">Asks the store.</param>
/// <param name="time">The clock.</param>
internal sealed class FreeSpace(Func<long?> ask, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);
    // The first answer is waited for, or a single look would see none.
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private Task<long?>? _asked;
    private long? _last;
    private long _since;

    /// <summary>Bytes; <see langword="null"/> when they are not known.</summary>
    public long? Bytes
    {
        get
        {
            Task<long?> asked;
            bool isFirst;
            lock (_gate)
            {
                isFirst = _asked is null;
                if (isFirst || (_asked!.IsCompleted && time.GetElapsedTime(_since) >= Fresh))
                {
                    if (_asked is { IsCompletedSuccessfully: true })
                        _last = _asked.Result;
                    (_asked, _since) = (Task.Run(Ask), time.GetTimestamp());
                }
                asked = _asked;
            }
            if (isFirst)
                asked.Wait(FirstWait);
            return asked.IsCompletedSuccessfully ? asked.Result : _last;
        }
    }

    private long? Ask()
    {
        try
        {
            return ask();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CheckpointException)
        {
            return null;
        }
    }
}
