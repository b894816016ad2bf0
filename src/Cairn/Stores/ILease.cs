namespace Cairn.Stores;

/// <summary>The right to write a run, which may be lost to another process while this one sleeps.</summary>
internal interface ILease : IDisposable
{
    /// <summary>Names this acquisition and no other.</summary>
    string Token { get; }

    /// <summary>Grows with each acquisition.</summary>
    long Fence { get; }

    /// <summary>Whether it was lost. It does not come back.</summary>
    bool IsLost { get; }

    /// <summary>Who had it before and ended without releasing it; <see langword="null"/> after a clean release.</summary>
    RunLockHolder? TookOverFrom { get; }

    /// <summary>Makes sure that the right is still held. Called right before anything gets its name in the run.</summary>
    /// <exception cref="RunLockLostException">It was lost, for good.</exception>
    /// <exception cref="IOException">That cannot be told now.</exception>
    void Check();
}
