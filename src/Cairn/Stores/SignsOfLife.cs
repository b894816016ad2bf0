namespace Cairn.Stores;

/// <summary>
/// What a store was seen to do: which of its operations are under way and when one last began or ended, so that one that hangs can be named. Once given up (<see cref="GiveUp"/>), nothing
/// more is to be written: what was to be written may have changed meanwhile. For one save at a time, with all its threads; it may be asked from any.
/// </summary>
/// <param name="root">The store, for messages.</param>
/// <param name="time">The clock.</param>
internal sealed class SignsOfLife(string root, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly List<string> _underWay = [];
    private long _lastSign = time.GetTimestamp();
    private volatile bool _isGivenUp;

    /// <summary>Begins anew: what was given up belongs to the save before.</summary>
    public void Begin()
    {
        _isGivenUp = false;
        Progressed();
    }

    /// <summary>Lets no more bytes be written, nor anything get its name, until <see cref="Begin"/>.</summary>
    public void GiveUp() => _isGivenUp = true;

    /// <summary>A sign of life that is no operation of the store.</summary>
    public void Progressed() => Volatile.Write(ref _lastSign, time.GetTimestamp());

    /// <summary>How long ago the last operation began or ended.</summary>
    public TimeSpan Silence => time.GetElapsedTime(Volatile.Read(ref _lastSign));

    /// <summary>What hangs, in words.</summary>
    public StoreException Hangs(string whose)
    {
        string? oldest;
        lock (_gate)
            oldest = _underWay.FirstOrDefault();
        string operation = oldest is { } what ? $"'{what}' has not returned" : "nothing has been written";
        return new StoreException($"{whose} hangs in {root}: {operation} for {Silence.TotalSeconds:0} s. Look at the disk or mount; training goes on, and saves succeed again when it answers.") { Path = root, IsTransient = true };
    }

    /// <summary>Refuses what would write, once given up.</summary>
    /// <exception cref="IOException">The save was given up.</exception>
    public void ThrowIfGivenUp(string path)
    {
        if (_isGivenUp)
            throw new IOException($"The save was given up while {root} did not answer; '{path}' is not written.");
    }

    /// <summary>An operation begins.</summary>
    public void Began(string operation)
    {
        lock (_gate)
            _underWay.Add(operation);
        Progressed();
    }

    /// <summary>An operation has ended.</summary>
    public void Ended(string operation)
    {
        lock (_gate)
            _underWay.Remove(operation);
        Progressed();
    }
}
