using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
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
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(5);

    private readonly Argument<string> _run = RunArgument();
    private readonly Option<long?> _at = QuantityOption.Count("--at", "At this step, or the first one after it [default: at the next batch].");
    private readonly Option<TimeSpan?> _timeout = QuantityOption.Time("--timeout", "How long to wait for the answer [default: 5m].");
    private readonly Option<bool> _noWait = new("--no-wait") { Description = "Return as soon as the run has accepted it." };

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
        AskResult result;
        using (var line = new StatusLine(screen))
            result = new RunConversation(files, new RunCommand(action, parsed.GetValue(_at), Guid.NewGuid().ToString("N")[..12]), before, line.Show).Run(parsed.GetValue(_timeout) ?? DefaultTimeout, parsed.GetValue(_noWait), cancellationToken);
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
