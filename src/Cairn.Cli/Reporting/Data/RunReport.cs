using Cairn.Advice.Audit;
using Cairn.Checkpoints;
using Cairn.Cli.Runs;
using Cairn.Cli.Verbs;

namespace Cairn.Cli.Reporting.Data;

/// <summary>All that a page says of a run, or of a folder of copies that no run of Cairn wrote.</summary>
internal sealed record RunReport
{
    /// <summary>The last part of its path: what people call it.</summary>
    public required string Name { get; init; }
    /// <summary>Where it lives.</summary>
    public required string Root { get; init; }
    /// <summary>training, finished, stopped, killed, aborted, unknown (on another machine), or empty where nothing tells.</summary>
    public required string State { get; init; }
    /// <summary>When this was looked up.</summary>
    public required DateTimeOffset Now { get; init; }
    /// <summary>Where the run stands.</summary>
    public RunProgress? Progress { get; init; }
    /// <summary>Its branches, and the one it is on.</summary>
    public Lineage? Lineage { get; init; }
    /// <summary>The run and step that it was begun from.</summary>
    public string? Origin { get; init; }
    /// <summary>The world that saved the newest copy.</summary>
    public World? World { get; init; }
    /// <summary>Its copies; <see langword="null"/> when there is none that is known.</summary>
    public LsResult? Copies { get; init; }
    /// <summary>The branch of each copy, by the copy's name.</summary>
    public IReadOnlyDictionary<string, int> BranchOf { get; init; } = new Dictionary<string, int>(StringComparer.Ordinal);
    /// <summary>When each copy was read to its end and found good.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> VerifiedAt { get; init; } = new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);
    /// <summary>The journal along the steps.</summary>
    public required Timeline Timeline { get; init; }
    /// <summary>What the audit says; <see langword="null"/> where there is no record.</summary>
    public AuditReport? Audit { get; init; }
    /// <summary>Bytes that can still be written where the run lives.</summary>
    public long? Free { get; init; }

    /// <summary>The step that was reached.</summary>
    public long Step => Math.Max(Math.Max(Progress?.Step ?? 0, Audit?.Steps ?? 0), Copies?.Copies.Max(copy => copy.Step) ?? 0);
    /// <summary>Steps that are planned.</summary>
    public long? TotalSteps => Progress?.TotalSteps ?? Audit?.Configuration.TotalSteps;
    /// <summary>Saves that were tried.</summary>
    public IEnumerable<RecordedSave> Saves => Audit?.History.Sessions.SelectMany(session => session.Saves) ?? [];
    /// <summary>Those of them that made a copy.</summary>
    public IEnumerable<RecordedSave> Made => Saves.Where(save => save.Outcome is SaveOutcome.Saved or SaveOutcome.Recoverable);
    /// <summary>What a restart takes.</summary>
    public LsRow? Resumed => Copies?.Copies.FirstOrDefault(copy => copy.Resumed);
    /// <summary>Seconds that a step took of late, the waits for saves included; <see langword="null"/> where nothing says it.</summary>
    public double? SecondsPerStep { get; init; }
}
