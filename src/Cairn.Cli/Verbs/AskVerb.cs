using System.CommandLine;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cairn.Checkpoints;
using Cairn.Cli.Input;
using Cairn.Cli.Output;
using Cairn.Cli.Runs;
using Cairn.Stopping;
using Cairn.Stores;

namespace Cairn.Cli.Verbs;

/// <summary>The result of <c>cairn save</c> and <c>cairn stop</c>. <c>State</c> is accepted, done, failed, refused, ended or timeout.</summary>
internal sealed record AskResult(string Run, string Action, long? At, string State, long? Step, long? Checkpoint, double Seconds, bool? ProcessEnded, string? Problem);

/// <summary>Asks the process that trains a run for something, and waits for its answer.</summary>
internal abstract class AskVerb(CommandAction action) : Verb
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(5), Poll = TimeSpan.FromMilliseconds(100), PollOfStore = TimeSpan.FromMilliseconds(500), ForTheProcess = TimeSpan.FromSeconds(10), BetweenLooks = TimeSpan.FromSeconds(1);

    private readonly Argument<string> _run = RunArgument();
    private readonly Option<long?> _at = QuantityOption.Count("--at", "At this step, or the first one after it [default: at the next batch].");
    private readonly Option<TimeSpan?> _timeout = QuantityOption.Time("--timeout", "How long to wait for the answer [default: 5m].");
    private readonly Option<bool> _noWait = new("--no-wait") { Description = "Return as soon as the run has taken note." };

    public override JsonTypeInfo Result => JsonTypes.Default.AskResult;

    private string Word => action == CommandAction.Save ? "save" : "stop";

    protected override Command Define() => new(Word, Description) { _run, _at, _timeout, _noWait };

    protected abstract string Description { get; }

    public override string Details => "Waits until it is done: the checkpoint is durable then.";

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        IRunFiles files = RunPlace.Open(parsed.GetValue(_run)!);
        RunLiveness before = RunLiveness.Of(files);
        if (before.IsAlive == false)
            throw new CheckpointException($"No process trains {files.Root}{(before.Holder is { } dead ? $": {dead} has ended" : "")}. There is nobody to ask. Try: cairn ls {files.Root}") { Path = files.Root };
        var conversation = new Conversation(files, new RunCommand(action, parsed.GetValue(_at), Guid.NewGuid().ToString("N")[..12]), before, screen);
        AskResult result = conversation.Run(parsed.GetValue(_timeout) ?? DefaultTimeout, parsed.GetValue(_noWait), cancellationToken);
        screen.Show(result, JsonTypes.Default.AskResult, shown => screen.Line(Describe(screen, shown)));
        return result.State is "done" or "accepted" ? ExitCode.Good : ExitCode.CouldNot;
    }

    private static string Describe(Screen screen, AskResult result) => result.State switch
    {
        "done" => screen.Good("done") + Screen.Plain(
            $"  {(result.Checkpoint is { } step ? $"checkpoint {step} is saved" : "there was nothing to save")}, after {Units.Time(TimeSpan.FromSeconds(result.Seconds))}"
            + result.ProcessEnded switch { true => "; the process has ended", false => "; the process has not ended yet", _ => "" }),
        "accepted" => screen.Good("accepted") + Screen.Plain($"  at step {result.Step}{(result.At is { } at ? $", for step {at}" : "")}. Try: cairn watch {result.Run}"),
        _ => screen.Bad(result.State) + Screen.Plain($"  {result.Problem}"),
    };

    /// <summary>One question and its answers.</summary>
    private sealed class Conversation(IRunFiles files, RunCommand command, RunLiveness asked, Screen screen)
    {
        private const int LargestCommand = 4096;

        private readonly long _start = Stopwatch.GetTimestamp();
        private readonly JournalTail _journal = new(files, JournalTail.Length(files));
        private readonly TimeSpan _poll = files is StoreFiles ? PollOfStore : Poll;
        private long _lastLook = Stopwatch.GetTimestamp();
        private bool _accepted;
        private long? _step;

        public AskResult Run(TimeSpan timeout, bool noWait, CancellationToken cancellationToken)
        {
            Post();
            using var line = new StatusLine(screen);
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
                line.Show(Status());
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
                    return answer;
            }
            Withdraw();
            return Answer("ended") with { ProcessEnded = true, Problem = $"the process ended without an answer. Try: cairn audit {files.Root}" };
        }

        private AskResult TimedOut(TimeSpan timeout)
        {
            string waited = Units.Time(timeout);
            if (_accepted)
                return Answer("timeout") with { Problem = $"the run has taken note, and it is not done after {waited}{(command.Step is { } at ? $" (it waits for step {at})" : "")}. It will be. Try: cairn watch {files.Root}" };
            Withdraw();
            return Answer("timeout") with
            {
                Problem = $"the run has not taken note after {waited}, and the question is taken back. A batch may take longer than that: give --timeout."
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
            return !_accepted ? $"waiting for the run to take note, {waited}"
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
}

/// <summary><c>cairn save</c>.</summary>
internal sealed class SaveVerb() : AskVerb(CommandAction.Save)
{
    public override string Example => "cairn save runs/tinylm --at 500";

    protected override string Description => "Asks a running training to save, now or at a step.";
}

/// <summary><c>cairn stop</c>.</summary>
internal sealed class StopVerb() : AskVerb(CommandAction.Stop)
{
    public override string Example => "cairn stop runs/tinylm";

    protected override string Description => "Asks a running training to save and stop, now or at a step.";
}
