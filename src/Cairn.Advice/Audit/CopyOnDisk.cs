using Cairn.Policies;

namespace Cairn.Advice.Audit;

/// <summary>A copy that stands in the run's folder now.</summary>
/// <param name="Folder">Its folder, relative to the run.</param>
/// <param name="Step">Its step.</param>
/// <param name="Kind">Its tier.</param>
/// <param name="IsComplete">Whether it can be resumed from.</param>
/// <param name="Fault">Why not.</param>
public sealed record CopyOnDisk(string Folder, long Step, SaveKind Kind, bool IsComplete, string? Fault = null);
