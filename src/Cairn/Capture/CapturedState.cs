using Cairn.State;

namespace Cairn.Capture;

/// <summary>A copy of the state at one step, in staging memory. Disposing it gives the memory back; its tensors cannot be read after that.</summary>
internal sealed class CapturedState : IDisposable
{
    private readonly StagingBuffer _buffer;

    internal CapturedState(StagingBuffer buffer, IReadOnlyList<(string Name, StateMap State)> parts, long totalBytes)
    {
        _buffer = buffer;
        Parts = parts;
        TotalBytes = totalBytes;
    }

    /// <summary>The parts in the order given, equal to the live ones; ties are ties here too.</summary>
    public IReadOnlyList<(string Name, StateMap State)> Parts { get; }

    /// <summary>Bytes of all distinct tensors.</summary>
    public long TotalBytes { get; }

    /// <summary>Gives the staging memory back.</summary>
    public void Dispose() => _buffer.Dispose();
}
