using System.Runtime.InteropServices;

namespace Cairn.Mpi;

/// <summary>How long a call may still wait.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly struct Deadline(TimeSpan timeout, CancellationToken cancellationToken)
{
    private readonly long _start = TimeProvider.System.GetTimestamp();

    public CancellationToken CancellationToken { get; } = cancellationToken;
    public TimeSpan Waited => TimeProvider.System.GetElapsedTime(_start);
    public bool IsOver => Waited >= timeout || CancellationToken.IsCancellationRequested;
}
