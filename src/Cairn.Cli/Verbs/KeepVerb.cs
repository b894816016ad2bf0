using System.CommandLine;
using System.Globalization;
using System.Text.Json.Serialization.Metadata;
using Cairn.Checkpoints;
using Cairn.Cli.Input;
using Cairn.Cli.Output;
using Cairn.Cli.Runs;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Cli.Verbs;

/// <summary>A pin in <c>cairn keep</c> and <c>cairn ls</c>: who needs a copy, what for, and until when.</summary>
internal sealed record KeptRow(long Step, string By, string? Why, DateTimeOffset Created, DateTimeOffset? Expires)
{
    public static KeptRow Of(CheckpointPin pin) => new(pin.Step, pin.By, pin.Why, pin.CreatedAt, pin.ExpiresAt);
}

/// <summary>The result of <c>cairn keep</c>. <c>Action</c> is kept, released or listed.</summary>
internal sealed record KeepResult(string Run, string Action, IReadOnlyList<KeptRow> Pins);

/// <summary><c>cairn keep</c>: this one stays.</summary>
internal sealed class KeepVerb(TimeProvider time) : Verb
{
    private readonly Argument<string> _run = RunArgument();
    private readonly Argument<string?> _step = new("step") { Description = "The step of the copy to keep, or best. Without it the copies that are kept are listed.", HelpName = "STEP", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> _why = new("--why") { Description = "What it is needed for, as others will read it.", HelpName = "TEXT" };
    private readonly Option<TimeSpan?> _for = QuantityOption.Time("--for", "Keep it for this long, for example 2h or 7d [default: until it is released].");
    private readonly Option<bool> _release = new("--release") { Description = "Take back what was said before, whoever said it." };

    public override JsonTypeInfo Result => JsonTypes.Default.KeepResult;

    public override string Example => "cairn keep runs/tinylm 500 --why \"table 2\"\n  cairn keep runs/tinylm 500 --release";

    public override string Details => "No retention rule, prune, full disk or newer snapshot removes a copy that is kept. Also while the run is trained.";

    protected override Command Define() => new("keep", "Keeps a copy whatever the rules say, or lists what is kept.") { _run, _step, _why, _for, _release };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        IRunFiles files = RunPlace.Open(parsed.GetValue(_run)!);
        bool isRelease = parsed.GetValue(_release);
        if (isRelease && (parsed.GetValue(_why) is not null || parsed.GetValue(_for) is not null))
            throw new WrongUseException("--why and --for say how to keep a copy; --release gives it up.");
        KeepResult result = parsed.GetValue(_step) is not { } named ? Listed(files, parsed)
            : isRelease ? Released(files, StepOf(files, named)) : Kept(files, StepOf(files, named), parsed);
        screen.Show(result, JsonTypes.Default.KeepResult, shown => Render(screen, shown));
        return ExitCode.Good;
    }

    private KeepResult Listed(IRunFiles files, ParseResult parsed) => parsed.GetValue(_release) || parsed.GetValue(_why) is not null || parsed.GetValue(_for) is not null
        ? throw new WrongUseException($"Say which step. Example: {Example.Split('\n')[0]}")
        : new KeepResult(files.Root, "listed", [.. CopyPins.Read(files, time.GetUtcNow()).All.Select(KeptRow.Of)]);

    private KeepResult Kept(IRunFiles files, long step, ParseResult parsed)
    {
        if (parsed.GetValue(_for) <= TimeSpan.Zero)
            throw new WrongUseException("--for must be longer than nothing.");
        return new KeepResult(files.Root, "kept", [KeptRow.Of(new PinWriter(files, time).Pin(CheckpointPins.CopyOf(files, step), parsed.GetValue(_why), parsed.GetValue(_for)))]);
    }

    private static KeepResult Released(IRunFiles files, long step)
    {
        IReadOnlyList<CheckpointPin> released = CheckpointPins.Release(files, step, TimeProvider.System);
        return released.Count > 0 ? new KeepResult(files.Root, "released", [.. released.Select(KeptRow.Of)])
            : throw new CheckpointException($"Nobody keeps step {step} of {files.Root}. Try: cairn keep {files.Root}") { Path = files.Root, Step = step };
    }

    private static long StepOf(IRunFiles files, string named) => named == RunFolder.BestName ? (BestCopy.Of(files) ?? throw BestCopy.None(files.Root)).Step
        : long.TryParse(named, NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step
        : throw new WrongUseException($"'{named}' is no step. Give a number, or best; cairn ls {files.Root} lists them.");

    private void Render(Screen screen, KeepResult result)
    {
        if (result.Pins.Count == 0)
            screen.Line(Screen.Plain("Nothing is kept by name: the retention rules decide."));
        foreach (KeptRow pin in result.Pins)
            screen.Line((result.Action == "released" ? "released  " : screen.Good("kept") + "  ") + Screen.Plain(InWords(pin, time.GetUtcNow())));
        if (result.Action == "released")
            screen.Line(Screen.Plain("If no rule keeps it, it goes with the next checkpoint of the run, or with cairn prune."));
    }

    /// <summary>A pin as a line.</summary>
    public static string InWords(KeptRow pin, DateTimeOffset now) =>
        $"step {pin.Step.ToString(CultureInfo.InvariantCulture)}, by {pin.By}{(pin.Why is null ? "" : $": {pin.Why}")}{(pin.Expires is { } expires ? $" (for {Units.Time(expires - now)} more)" : "")}";
}
