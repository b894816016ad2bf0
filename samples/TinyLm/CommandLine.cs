using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace TinyLm;

/// <summary>The options of the sample as System.CommandLine knows them.</summary>
public sealed class CommandLine
{
    /// <summary>Exit code for a command line that cannot be understood.</summary>
    public const int UsageError = 2;

    static readonly TinyLmOptions Defaults = new();

    readonly Option<string> _run = Text("--run", "folder", "Folder of the run.", Defaults.Run);
    readonly Option<int> _totalSteps = Whole("--total-steps", "Batches to draw, counted over all restarts.", 1, Defaults.TotalSteps);
    readonly Option<int> _checkpointEvery =
        Whole("--checkpoint-every", "Steps between checkpoints; 0 for only the final one.", 0, Defaults.CheckpointEvery);
    readonly Option<int> _snapshotEvery = Whole("--snapshot-every", "Steps between snapshots; 0 for none.", 0, Defaults.SnapshotEvery);
    readonly Option<int> _seed = Whole("--seed", "Seed of the weights, the text and the order of batches.", 0, Defaults.Seed);
    readonly Option<bool> _sync = new("--sync") { Description = "Wait until each save is durable instead of saving in the background." };
    readonly Option<string?> _resumeFrom =
        Text<string?>("--resume-from", "checkpoint", "Checkpoint to continue from [default: the newest good one].");
    readonly Option<string?> _branch =
        Text<string?>("--branch", "folder", "Start a new run in this folder from the checkpoint; the old run stays as it is.");
    readonly Option<string?> _stopFile = Text<string?>("--stop-file", "file", "Save and end when this file appears.");
    readonly Option<int> _logEvery = Whole("--log-every", "Batches between printed lines when there is no terminal.", 1, Defaults.LogEvery);
    readonly Option<bool> _finalDigest =
        new("--final-digest") { Description = "End with a hash of all that a resumed run must reproduce bit for bit." };
    readonly Option<int?> _crashAt = new("--crash-at")
    {
        Description = "Kill this process (SIGKILL) right after the update of this batch.",
        HelpName = "batch",
        CustomParser = result => Number(result, result.Tokens[0].Value, 1),
    };
    readonly Option<IReadOnlySet<int>> _overflowAt = new("--overflow-at")
    {
        Description = "Make the gradients of these batches overflow, such as 30,31,250.",
        HelpName = "batches",
        CustomParser = result =>
            result.Tokens[0].Value.Split(',').Select(item => Number(result, item, 1) ?? 0).ToHashSet(),
    };

    /// <summary>The command. <paramref name="train"/> runs once the options are known to be good; its result is the exit code.</summary>
    public RootCommand Create(Func<TinyLmOptions, CancellationToken, Task<int>> train)
    {
        var command = new RootCommand("Trains a small InternLM2-shaped language model to add numbers, checkpointed by Cairn.")
        {
            _run, _totalSteps, _checkpointEvery, _snapshotEvery, _seed, _sync, _resumeFrom, _branch, _stopFile,
            _logEvery, _finalDigest, _crashAt, _overflowAt,
        };
        command.SetAction((result, cancellationToken) => train(Read(result), cancellationToken));
        return command;
    }

    TinyLmOptions Read(ParseResult result) => new()
    {
        Run = result.GetValue(_run)!,
        TotalSteps = result.GetValue(_totalSteps),
        CheckpointEvery = result.GetValue(_checkpointEvery),
        SnapshotEvery = result.GetValue(_snapshotEvery),
        Seed = result.GetValue(_seed),
        Sync = result.GetValue(_sync),
        ResumeFrom = result.GetValue(_resumeFrom),
        Branch = result.GetValue(_branch),
        StopFile = result.GetValue(_stopFile),
        LogEvery = result.GetValue(_logEvery),
        FinalDigest = result.GetValue(_finalDigest),
        CrashAt = result.GetValue(_crashAt),
        OverflowAt = result.GetValue(_overflowAt) ?? Defaults.OverflowAt,
    };

    static Option<int> Whole(string name, string description, int smallest, int byDefault) => new(name)
    {
        Description = description,
        HelpName = "number",
        DefaultValueFactory = _ => byDefault,
        CustomParser = result => Number(result, result.Tokens[0].Value, smallest) ?? byDefault,
    };

    static Option<string> Text(string name, string helpName, string description, string byDefault)
    {
        var option = Text<string>(name, helpName, description);
        option.DefaultValueFactory = _ => byDefault;
        return option;
    }

    static Option<T> Text<T>(string name, string helpName, string description)
    {
        var option = new Option<T>(name) { Description = description, HelpName = helpName };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && string.IsNullOrWhiteSpace(value))
            {
                result.AddError($"{name} is empty: give a {helpName}, such as {name} runs/tinylm, or leave {name} out.");
            }
        });
        return option;
    }

    static int? Number(ArgumentResult result, string text, int smallest)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= smallest)
        {
            return number;
        }
        var option = ((OptionResult)result.Parent!).Option;
        var example = option.HelpName == "batches" ? "30,31,250" : "100";
        result.AddError(
            $"{option.Name} cannot be '{text}': type whole numbers from {smallest} to {int.MaxValue}, such as {option.Name} {example}.");
        return null;
    }
}
