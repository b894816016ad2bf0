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

    readonly Option<int> _totalSteps = Whole("--total-steps", "Batches to draw.", 1, Defaults.TotalSteps);
    readonly Option<int> _seed = Whole("--seed", "Seed of the weights, the text and the order of batches.", 0, Defaults.Seed);
    readonly Option<int> _logEvery = Whole("--log-every", "Batches between printed lines when there is no terminal.", 1, Defaults.LogEvery);
    readonly Option<bool> _finalDigest =
        new("--final-digest") { Description = "End with a hash of the whole state: two runs of one seed share it." };
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
        var command = new RootCommand("Trains a small InternLM2-shaped language model to add numbers.")
        {
            _totalSteps, _seed, _logEvery, _finalDigest, _crashAt, _overflowAt,
        };
        command.SetAction((result, cancellationToken) => train(Read(result), cancellationToken));
        return command;
    }

    TinyLmOptions Read(ParseResult result) => new()
    {
        TotalSteps = result.GetValue(_totalSteps),
        Seed = result.GetValue(_seed),
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
