using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Cli.Output;
using Cairn.Cli.Verbs;
using Cairn.Stopping;
using Cairn.Stores;

namespace Cairn.Cli.Runs;

/// <summary>One question to the process that trains a run, and its answers.</summary>
/// <param name="files">The run.</param>
/// <param name="command">The question.</param>
/// <param name="asked">Who trains it.</param>
/// <param name="show">Is told what is waited for.</param>
internal sealed class RunConversation(IRunFiles files, RunCommand command, RunLiveness asked, Action<string> show)
{
    private const int LargestCommand = 4096;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100), PollOfStore = TimeSpan.FromMilliseconds(500), ForTheProcess = TimeSpan.FromSeconds(10), BetweenLooks = TimeSpan.FromSeconds(1);

    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly JournalTail _journal = new(files, JournalTail.Length(files));
    private readonly TimeSpan _poll = files is StoreFiles ? PollOfStore : Poll;
    private long _lastLook = Stopwatch.GetTimestamp();
    private bool _accepted;
    private long? _step;

    /// <summary>Asks, and waits for the answer.</summary>
    /// <exception cref="CheckpointException">The run has another command that it has not taken yet.</exception>
    public AskResult Run(TimeSpan timeout, bool noWait, CancellationToken cancellationToken)
    {
        Post();
        while (true)
        {
            foreach (JsonElement said in _journal.Events())
            {
                if (Hear(said) is { } answer)
                    return answer.State == "done" && command.Action == CommandAction.Stop ? answer with { ProcessEnded = WaitForTheEnd(cancellationToken) } : answer;
            }
            if (_accepted && noWait)
                return Answer("accepted");
            if (Gone() is { } gone)
                return gone;
            if (Stopwatch.GetElapsedTime(_start) >= timeout)
                return TimedOut(timeout);
            show(Status());
            if (cancellationToken.WaitHandle.WaitOne(_poll))
            {
                Withdraw();
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    private void Post()
    {
        // An empty one was begun by hand and left.
        if (files.FileExists(RunFolder.Command) && SmallFile.Read(files, RunFolder.Command, LargestCommand).Length > 0)
            throw new CheckpointException($"{files.Root} has a command that the run has not taken yet. Wait, or remove {files.Root}/{RunFolder.Command}.") { Path = files.Root };
        byte[] text = Encoding.UTF8.GetBytes(command + "\n");
        // By a rename: the run must never see half a command.
        string beside = $"{RunFolder.Command}.{command.Id}";
        files.Put(beside, text, durable: false);
        files.Move(beside, RunFolder.Command);
    }

    private AskResult? Hear(JsonElement said)
    {
        string kind = said.GetProperty("event").GetString() ?? "";
        if (kind != "command" || !said.TryGetProperty("id", out JsonElement id) || id.GetString() != command.Id)
            return null;
        _step = said.GetProperty("step").GetInt64();
        string state = said.GetProperty("state").GetString() ?? "";
        if (state == "accepted")
        {
            _accepted = true;
            return null;
        }
        return Answer(state) with
        {
            Checkpoint = said.TryGetProperty("checkpoint", out JsonElement saved) ? saved.GetInt64() : null,
            Problem = said.TryGetProperty("problem", out JsonElement problem) ? problem.GetString() : null,
        };
    }

    private AskResult? Gone()
    {
        if (Stopwatch.GetElapsedTime(_lastLook) < BetweenLooks)
            return null;
        _lastLook = Stopwatch.GetTimestamp();
        if (RunLiveness.Of(files).IsAlive != false)
            return null;
        // Its last words may have come since.
        foreach (JsonElement said in _journal.Events())
        {
            if (Hear(said) is { } answer)
                return answer with { ProcessEnded = true };
        }
        Withdraw();
        return Answer("ended") with { ProcessEnded = true, Problem = $"the process ended without an answer. Try: cairn audit {files.Root}" };
    }

    private AskResult TimedOut(TimeSpan timeout)
    {
        string waited = Units.Time(timeout);
        if (_accepted)
            return Answer("timeout") with { Problem = $"the run has accepted it, and it is not done after {waited}{(command.Step is { } at ? $" (it waits for step {at})" : "")}. It will be. Try: cairn watch {files.Root}" };
        Withdraw();
        return Answer("timeout") with
        {
            Problem = $"the run has not accepted it after {waited}, and the request was withdrawn. A batch may take longer than that: give --timeout."
                + (asked.IsAlive is null ? $" {asked.Holder} may have ended." : ""),
        };
    }

    private bool WaitForTheEnd(CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (RunLiveness.Of(files).IsAlive != false)
        {
            if (Stopwatch.GetElapsedTime(start) > ForTheProcess)
                return false;
            cancellationToken.WaitHandle.WaitOne(_poll);
            cancellationToken.ThrowIfCancellationRequested();
        }
        return true;
    }

    private string Status()
    {
        RunProgress? progress = RunProgress.Read(files);
        string waited = Units.Time(Stopwatch.GetElapsedTime(_start));
        return !_accepted ? $"waiting for the run to accept it, {waited}"
            : command.Step > progress?.Step ? $"the run is at step {progress.Step}, waiting for {command.Step}, {waited}"
            : $"waiting for the save, {waited}";
    }

    // A later process must not be told what was meant for this one.
    private void Withdraw()
    {
        try
        {
            if (files.FileExists(RunFolder.Command) && Encoding.UTF8.GetString(SmallFile.Read(files, RunFolder.Command, LargestCommand)).Contains(command.Id, StringComparison.Ordinal))
                files.DeleteFile(RunFolder.Command);
        }
        catch (Exception e) when (e is IOException or CheckpointException)
        {
            // The run took it just now.
        }
    }

    private AskResult Answer(string state) => new(
        files.Root, command.Action == CommandAction.Save ? "save" : "stop", command.Step, state, _step, null, Stopwatch.GetElapsedTime(_start).TotalSeconds, null, null);
}
