using System.Runtime.InteropServices;

namespace Cairn.Policies;

/// <summary>Why a save is made.</summary>
public enum SaveReason
{
    /// <summary>A checkpoint is due by its interval.</summary>
    Interval,
    /// <summary>A snapshot is due by its interval.</summary>
    Snapshot,
    /// <summary>Training ends.</summary>
    Final,
    /// <summary>The stop file asks for it.</summary>
    Stop,
    /// <summary>The process was told to stop by a signal.</summary>
    Signal,
    /// <summary>The training code or an operator asked for it.</summary>
    Manual,
    /// <summary>Its metric is better than that of every checkpoint before it.</summary>
    Best,
}

/// <summary>The tier of a save.</summary>
public enum SaveKind
{
    /// <summary>Permanent, in a folder named by its step.</summary>
    Checkpoint,
    /// <summary>For recovery; only the two newest exist.</summary>
    Snapshot,
}

/// <summary>What asks for a checkpoint now, whatever the intervals say. Several may ask at once.</summary>
[Flags]
internal enum SaveRequests
{
    /// <summary>Nothing does.</summary>
    None = 0,
    /// <summary>The training code or an operator.</summary>
    Manual = 1,
    /// <summary>The stop file.</summary>
    Stop = 2,
    /// <summary>A signal to the process.</summary>
    Signal = 4,
    /// <summary>The end of training.</summary>
    Final = 8,
    /// <summary>A metric that is better than ever.</summary>
    Best = 16,
}

/// <summary>A save to make.</summary>
/// <param name="Kind">The tier.</param>
/// <param name="Reason">Why; with several reasons at once the first of Final, Signal, Stop, Manual, Interval, Best, Snapshot.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SaveDecision(SaveKind Kind, SaveReason Reason);
