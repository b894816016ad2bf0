using Cairn.State;

namespace Cairn.Capture;

/// <summary>A copy of a part.</summary>
/// <param name="Name">The part's name.</param>
/// <param name="State">The copy. One tree may serve several captures, one after the other.</param>
/// <param name="Revision">Grows when a number or text in such a tree is another one than at the capture before.</param>
internal sealed record CapturedPart(string Name, StateMap State, int Revision);

/// <summary>A copy of the state at one step, in staging memory. Disposing it gives the memory back; its tensors cannot be read after that.</summary>
internal sealed class CapturedState : IDisposable
{
    private readonly StagingBuffer _buffer;

    internal CapturedState(StagingBuffer buffer, IReadOnlyList<CapturedPart> parts, long totalBytes, OverlappedCopy? overlapped)
    {
        _buffer = buffer;
        Overlapped = overlapped;
        Parts = parts;
        TotalBytes = totalBytes;
    }

    /// <summary>The parts in the order given, equal to the live ones; ties are ties here too.</summary>
    public IReadOnlyList<CapturedPart> Parts { get; }

    /// <summary>What is still being copied, and must be found good before a tensor is read; <see langword="null"/> when all is there.</summary>
    public OverlappedCopy? Overlapped { get; }

    /// <summary>Bytes of all distinct tensors.</summary>
    public long TotalBytes { get; }

    /// <summary>Gives the staging memory back, into which nothing is copied any more.</summary>
    public void Dispose()
    {
        Overlapped?.Abandon(new ObjectDisposedException(nameof(CapturedState)));
        _buffer.Dispose();
    }
}
