namespace Cairn.State;

/// <summary>
/// A part whose saved state also holds what the program was configured with, such as a learning rate or the seed of the sample order. A resume that takes it over
/// would silently undo what was changed in the program since, so it is compared first, reported (<see cref="ResumeReport.Settings"/>), and
/// <see cref="CheckpointOptions.ResumeSettings"/> says which of the two holds.
/// </summary>
public interface ISettingsPart : IStatePart
{
    /// <summary>
    /// A saved state with the program's settings in the place of the saved ones. Called after <see cref="IStatePart.Check"/> found the saved state good, and before
    /// anything is restored, so that the live objects are as the program made them. Changes nothing; <see cref="IStatePart.Restore"/> can take the result.
    /// </summary>
    /// <param name="saved">The saved state.</param>
    /// <param name="differences">Takes each setting that the two say differently.</param>
    StateMap WithProgramSettings(StateMap saved, ICollection<SettingDifference> differences);
}

/// <summary>A setting that a saved state and the program say differently.</summary>
/// <param name="Part">The part.</param>
/// <param name="Name">The setting, by its place in the part: <c>groups.0.weight_decay</c>.</param>
/// <param name="Saved">What is saved.</param>
/// <param name="Program">What the program says.</param>
public sealed record SettingDifference(string Part, string Name, string Saved, string Program)
{
    /// <summary>The one that can hold alone, whatever was asked for; <see langword="null"/> (the default) when either can.</summary>
    public SettingsSource? Only { get; init; }
    /// <summary>The one that holds from here on.</summary>
    public SettingsSource Holds { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Part}: {Name} is {(Holds == SettingsSource.Saved ? $"{Saved} as saved, and the program says {Program}" : $"{Program} as the program says, and {Saved} was saved")}";
}

/// <summary>Where the settings of a resumed run come from.</summary>
public enum SettingsSource
{
    /// <summary>The saved state: the run goes on exactly as it would have.</summary>
    Saved,
    /// <summary>The program: what was changed in it takes effect. Counters, moments and the place in the data go on as saved.</summary>
    Program,
}
