using Cairn.Checkpoints;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Runs;
using Cairn.Cli.Verbs;
using Cairn.Saving;
using Cairn.Stopping;
using Cairn.Stores;

namespace Cairn.Cli.Serving;

/// <summary>What the buttons of a page ask for: the same as <c>cairn save</c>, <c>cairn stop</c>, <c>cairn ls --verify</c> and <c>cairn keep</c>. One after the other for each run.</summary>
internal sealed class RunActions(RunFollower follower, CancellationToken stopping)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly HashSet<int> _atWork = [];

    /// <summary>Begins an action; what becomes of it is told to all that watch.</summary>
    /// <returns>Why not; <see langword="null"/> when it has begun.</returns>
    /// <param name="action">What to do.</param>
    /// <param name="run">The number of the run.</param>
    /// <param name="step">The step, for what is about one copy.</param>
    public string? Begin(string action, int run, long? step)
    {
        if (run < 0 || run >= follower.Runs.Count)
            return "There is no such run.";
        RunSource source = follower.Runs[run];
        Func<string>? work = action switch
        {
            "save" => () => Ask(source, CommandAction.Save),
            "stop" => () => Ask(source, CommandAction.Stop),
            "verify" => () => Verify(source),
            "keep" when step is { } kept => () => Keep(source, kept),
            "release" when step is { } released => () => Release(source, released),
            _ => null,
        };
        if (work is null)
            return "There is no such action.";
        lock (_atWork)
        {
            if (!_atWork.Add(run))
                return "Something that was asked for before is not done yet.";
        }
        _ = Task.Run(() => Do(source, action, run, work), CancellationToken.None);
        return null;
    }

    private void Do(RunSource source, string action, int run, Func<string> work)
    {
        string name = $"{PlacePath.Name(source.Files.Root)}: {action}";
        follower.Say($"{name}, asked for");
        string said;
        try
        {
            said = work();
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            said = e is OperationCanceledException ? "stopped" : e.Message;
        }
        lock (_atWork)
            _atWork.Remove(run);
        follower.Say($"{name}: {Words.Printable(said)}");
    }

    private string Ask(RunSource source, CommandAction action)
    {
        IRunFiles files = RunPlace.Open(source.Files.Root);
        RunLiveness trains = RunLiveness.Of(files);
        if (trains.IsAlive == false)
            return "no process trains it; there is nobody to ask";
        AskResult answer = new RunConversation(files, new RunCommand(action, null, Guid.NewGuid().ToString("N")[..12]), trains, static _ => { }).Run(Patience, noWait: false, stopping);
        return answer.State != "done" ? answer.Problem ?? answer.State
            : answer.Checkpoint is { } step ? $"checkpoint {Units.Count(step)} is saved{(answer.ProcessEnded == true ? ", and the process has ended" : "")}" : "there was nothing to save";
    }

    private string Keep(RunSource source, long step)
    {
        IRunFiles files = RunPlace.Open(source.Files.Root);
        new PinWriter(files, TimeProvider.System).Pin(CheckpointPins.CopyOf(files, step), "kept on the page of cairn serve", timeToLive: null);
        return $"step {Units.Count(step)} stays, whatever the rules say";
    }

    private string Release(RunSource source, long step)
    {
        IReadOnlyList<CheckpointPin> released = CheckpointPins.Release(RunPlace.Open(source.Files.Root), step, TimeProvider.System);
        return released.Count > 0 ? $"step {Units.Count(step)} is kept by the rules alone" : $"nobody kept step {Units.Count(step)}";
    }

    private string Verify(RunSource source)
    {
        (int good, int bad) = source.Verify(static _ => { }, stopping);
        return bad == 0 ? $"{Units.Of(good, "copy", "copies")} read, all good" : $"{Units.Count(bad)} of {Units.Count(good + bad)} copies cannot be used";
    }
}
