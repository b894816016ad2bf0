using System.Globalization;
using Cairn.Checkpoints;
using Cairn.State;

namespace Cairn;

/// <summary>What a run started from.</summary>
public sealed record ResumeReport
{
    /// <summary>The step that the run continues from; 0 for a fresh start.</summary>
    public required long Step { get; init; }
    /// <summary>The copy that was taken; <see langword="null"/> for a fresh start.</summary>
    public string? Source { get; init; }
    /// <summary>The parts that were restored.</summary>
    public IReadOnlyList<string> Parts { get; init; } = [];
    /// <summary>Parts that cannot go on exactly because another world or another program saved them, each with the reason; else empty.</summary>
    public IReadOnlyList<string> NotExact { get; init; } = [];
    /// <summary>Entries, as part and name, that the copy lacked or had in another form, and that keep the values with which the program was built (<see cref="CheckpointOptions.ResumeAllowMissing"/>); on this rank.</summary>
    public IReadOnlyList<string> KeptAsBuilt { get; init; } = [];
    /// <summary>Entries of the copy that the program does not have (<see cref="CheckpointOptions.ResumeAllowUnexpected"/>); on this rank.</summary>
    public IReadOnlyList<string> NotTaken { get; init; } = [];
    /// <summary>Settings that the saved state and the program say differently, each with the one that holds (<see cref="CheckpointOptions.ResumeSettings"/>); else empty.</summary>
    public IReadOnlyList<SettingDifference> Settings { get; init; } = [];
    /// <summary>Newer copies that could not be used, each with its file and reason.</summary>
    public IReadOnlyList<CheckpointFault> PassedOver { get; init; } = [];
    /// <summary>Steps that the process before had made above this one, as far as is known: they have to be repeated. After a start without any copy these are all that it had made.</summary>
    public long LostSteps { get; init; }
    /// <summary>Whether <see cref="LostSteps"/> is the least: the process before was killed, or its machine failed, and how far it came in its last second or two is not known.</summary>
    public bool LostAtLeast { get; init; }
    /// <summary>The branch that the run is on.</summary>
    public required Branch Branch { get; init; }
    /// <summary>Whether the run started fresh: nothing was restored.</summary>
    public bool IsFresh => Source is null;

    /// <summary>The lost steps in words: <c>2 steps</c>, <c>at least 2 steps</c>, <c>no step that is known of</c>.</summary>
    internal string Lost => Counted.Of(LostSteps, LostAtLeast, "step");

    /// <summary>In one sentence or two, for people: where the run goes on, and what it lost.</summary>
    public override string ToString()
    {
        if (Source is null)
            return $"Starts at step {Step.ToString(CultureInfo.InvariantCulture)}: there is nothing to resume from.{(LostSteps == 0 ? "" : $" The process before had made {Lost}; {(LostSteps == 1 ? "it is" : "they are")} lost.")}";
        CultureInfo invariant = CultureInfo.InvariantCulture;
        string lost = LostSteps == 0 ? "" : $"; {Lost} above it {(LostSteps == 1 ? "has" : "have")} to be repeated";
        string passed = PassedOver.Count == 0 ? "" : string.Create(invariant, $" Passed over: {string.Join("; ", PassedOver)}.");
        string kept = KeptAsBuilt.Count == 0 ? "" : $" As built: {string.Join(", ", KeptAsBuilt)}.";
        return string.Create(invariant, $"Goes on after {Counted.Of(Step, "step")}, from {Source}{lost}.{passed}{kept}");
    }
}
