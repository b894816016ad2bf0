using System.Runtime.InteropServices;

namespace Cairn.Stopping;

/// <summary>What to do after looking at the stop file.</summary>
/// <param name="Save">Whether to save a checkpoint now.</param>
/// <param name="Stop">Whether to stop training, after the save.</param>
/// <param name="Problem">What to report about an unreadable file, once for each new problem; otherwise <see langword="null"/>.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct StopVerdict(bool Save, bool Stop, string? Problem = null);

/// <summary>
/// What was already done about the stop file. A value: <see cref="Decide"/> gives the next one. A command acts at its step or the
/// first one after it, and once until the file says something else. The first rank decides and tells the others.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct StopFileState
{
    private StopCommand? Done { get; init; }
    private string? Reported { get; init; }

    /// <summary>
    /// The state at the start of a process that begins at <paramref name="step"/>. A command that is found there and whose step is
    /// already reached is left over from an earlier process and never acts, or a resumed run would stop at once.
    /// </summary>
    public static StopFileState AtStart(long step, StopCommand found) => new() { Done = IsDue(found, step) ? found : null };

    /// <summary>What to do at this step, and the state to go on with. <see cref="StopAction.Unreadable"/> changes nothing about what was done: the file may be half written.</summary>
    public StopFileState Decide(long step, StopCommand command, out StopVerdict verdict)
    {
        verdict = default;
        if (command.Action == StopAction.Unreadable)
        {
            if (command.Problem != Reported)
                verdict = new StopVerdict(Save: false, Stop: false, command.Problem);
            return this with { Reported = command.Problem };
        }
        if (command == Done)
            return this with { Reported = null };
        if (!IsDue(command, step))
            return default;
        verdict = new StopVerdict(Save: true, Stop: command.Action == StopAction.SaveAndStop);
        return new StopFileState { Done = command };
    }

    private static bool IsDue(StopCommand command, long step) =>
        command.Action is StopAction.SaveAndStop or StopAction.SaveAndContinue && step >= command.Step;
}
