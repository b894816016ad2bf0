using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Cairn;
using Cairn.Layouts;

namespace TinyLm;

/// <summary>The options of the sample as System.CommandLine knows them.</summary>
public sealed class CommandLine
{
    /// <summary>Exit code when the run could not start, resume or save its end.</summary>
    public const int Failed = 3;

    /// <summary>Exit code for a command line that cannot be understood.</summary>
    public const int UsageError = 2;

    static readonly TinyLmOptions Defaults = new();

    readonly Option<string> _run = new("--run") { Description = "Folder of the run, or its address in an object store, such as s3://bucket/prefix.", HelpName = "folder", DefaultValueFactory = _ => Defaults.Run };
    readonly Option<string?> _fast = new("--fast")
    {
        Description = "A quicker folder of this machine that takes each copy first, such as /dev/shm/tinylm; it is brought to --run behind training's back.",
        HelpName = "folder",
    };
    readonly Option<string?> _tensorBoard = new("--tensorboard") { Description = "A folder in which curves are written for TensorBoard while it trains.", HelpName = "folder" };
    readonly Option<int> _replicas = new("--replicas")
    {
        Description = "With 1, each host of a job also keeps what the host before it has in --fast, so that a lost host costs nothing.",
        HelpName = "number",
        DefaultValueFactory = _ => Defaults.Replicas,
        CustomParser = result => Number(result, result.Tokens[0].Value, 0) ?? 0,
    };
    readonly Option<int> _totalSteps = Whole("--total-steps", "Batches to draw, counted over all restarts.", 1, Defaults.TotalSteps);
    readonly Option<int?> _more = new("--more")
    {
        Description = "Train a finished run on for this many batches; one that was interrupted goes on to its planned end.",
        HelpName = "number",
        CustomParser = result => Number(result, result.Tokens[0].Value, 1),
    };
    readonly Option<int> _checkpointEvery =
        Whole("--checkpoint-every", "Steps between checkpoints; 0 for only the final one.", 0, Defaults.CheckpointEvery);
    readonly Option<long> _snapshotEvery = new("--snapshot-every")
    {
        Description = "Steps between snapshots; 0 for none; auto for as many as the disk takes while training waits for them at most 1 % of the time.",
        HelpName = "number|auto",
        DefaultValueFactory = _ => Defaults.SnapshotEvery,
        CustomParser = SnapshotEvery,
    };
    readonly Option<int?> _keepLast = Kept("--keep-last", "Checkpoints to keep, counted from the newest; without it all stay.");
    readonly Option<int?> _keepOptimizer = Kept("--keep-optimizer", "Checkpoints that keep all; older ones keep their weights only.");
    readonly Option<string[]> _freeze = new("--freeze")
    {
        Description = "Leave the parameters of this name as they are, such as \"layers.*\"; may be given several times. Of --resume-from only the weights are taken then.",
        HelpName = "pattern",
        DefaultValueFactory = _ => [],
    };
    readonly Option<int> _batchSize = Whole("--batch-size", "Lines in a batch, over all ranks.", 1, Defaults.BatchSize);
    readonly Option<int> _seed = Whole("--seed", "Seed of the weights, the text and the order of batches.", 0, Defaults.Seed);
    readonly Option<string> _layout = new("--layout")
    {
        Description = "Layout of the files that are written; copies of every layout are resumed from.",
        HelpName = string.Join("|", CheckpointLayouts.Names.Order(StringComparer.Ordinal)),
        DefaultValueFactory = _ => Defaults.Layout,
        CustomParser = Layout,
    };
    readonly Option<double> _dropout = new("--dropout")
    {
        Description = "Share of the feed-forward part's output that is dropped while training.",
        HelpName = "share",
        DefaultValueFactory = _ => Defaults.Dropout,
        CustomParser = Share,
    };
    readonly Option<int> _width = new("--width")
    {
        Description = "Width of the model, a multiple of 8: 176 makes 1 million parameters, 928 30 millions.",
        HelpName = "number",
        DefaultValueFactory = _ => Defaults.Width,
        CustomParser = Width,
    };
    readonly Option<bool> _overlap = new("--overlap") { Description = "Copy the state for a save while the next batch is computed, instead of before it." };
    readonly Option<bool> _sync = new("--sync") { Description = "Wait until each save is durable instead of saving in the background." };
    readonly Option<string?> _resumeFrom = new("--resume-from")
    {
        Description = "Begin at this step of the run (with --branch when newer ones exist), or at another run's checkpoint [default: the newest good copy of the run].",
        HelpName = "step or folder",
    };
    readonly Option<string?> _branch = new("--branch")
    {
        Description = "Branch off at --resume-from under this name; newer copies are kept but not resumed.",
        HelpName = "name",
    };
    readonly Option<string?> _stopFile = new("--stop-file")
    {
        Description = "Look into this file while training: +N saves at step N and ends, -N saves and goes on, 0 does nothing.",
        HelpName = "file",
    };
    readonly Option<int> _logEvery = Whole("--log-every", "Batches between printed lines when there is no terminal.", 1, Defaults.LogEvery);
    readonly Option<int> _evaluate = Whole("--evaluate", "Sums that training never saw, on which the finished model is evaluated; 0 for none.", 0, Defaults.Evaluate);
    readonly Option<bool> _saveBest = new("--save-best") { Description = "Save the best model by the loss on sums that training never saw, keep it, and end with its weights." };
    readonly Option<int?> _earlyStopping = new("--early-stopping")
    {
        Description = "End training when that loss has not improved in this many evaluations.",
        HelpName = "number",
        CustomParser = result => Number(result, result.Tokens[0].Value, 1),
    };
    readonly Option<int> _validateEvery = Whole("--validate-every", "Steps between evaluations for --save-best and --early-stopping.", 1, Defaults.ValidateEvery);
    readonly Option<bool> _finalDigest =
        new("--final-digest") { Description = "End with a hash of the whole state: two runs of one seed share it." };
    readonly Option<int?> _crashAt = new("--crash-at")
    {
        Description = "Kill this process (SIGKILL) right after the update of this batch.",
        HelpName = "batch",
        CustomParser = result => Number(result, result.Tokens[0].Value, 1),
    };
    readonly Option<int?> _crashRank = Ranks("--crash-rank", "The rank to which --crash-at happens [default: all].", 0);
    readonly Option<IReadOnlySet<int>> _overflowAt = new("--overflow-at")
    {
        Description = "Make the gradients of these batches overflow, such as 30,31,250.",
        HelpName = "batches",
        CustomParser = result =>
            result.Tokens[0].Value.Split(',').Select(item => Number(result, item, 1) ?? 0).ToHashSet(),
    };

    readonly Option<int?> _tp = Ranks("--tp", "Ranks that share each matrix, when started by mpirun or srun [default: CAIRN_TP, then 1].");
    readonly Option<int?> _dp = Ranks("--dp", "Ranks that share each batch [default: CAIRN_DP, then all that remain].");
    readonly Option<int> _rankTimeout = Whole("--rank-timeout", "Seconds that ranks wait for one another before they give up.", 1, Defaults.RankTimeout);
    readonly Option<int?> _stopGrace = new("--stop-grace")
    {
        Description = "Seconds from SIGTERM or SIGUSR1 until the scheduler kills [default: not known].",
        HelpName = "number",
        CustomParser = result => Number(result, result.Tokens[0].Value, 1),
    };
    readonly Option<bool> _zero = new("--zero") { Description = "Let each of those ranks keep a part of the optimizer state (ZeRO-1)." };

    /// <summary>The command. <paramref name="train"/> runs once the options are known to be good; its result is the exit code.</summary>
    public RootCommand Create(Func<TinyLmOptions, Task<int>> train)
    {
        var command = new RootCommand("Trains a small InternLM2-shaped language model to add numbers, with checkpoints, snapshots and always a final checkpoint.")
        {
            _run, _fast, _tensorBoard, _replicas, _totalSteps, _more, _checkpointEvery, _snapshotEvery, _keepLast, _keepOptimizer, _freeze, _batchSize, _seed, _layout, _width, _dropout, _sync, _overlap, _resumeFrom, _branch, _stopFile, _logEvery, _evaluate, _saveBest, _earlyStopping, _validateEvery, _finalDigest,
            _crashAt, _crashRank, _overflowAt, _tp, _dp, _zero, _rankTimeout, _stopGrace,
        };
        command.SetAction(result => train(Read(result)));
        return command;
    }

    TinyLmOptions Read(ParseResult result) => new()
    {
        Run = result.GetValue(_run)!,
        Fast = result.GetValue(_fast),
        TensorBoard = result.GetValue(_tensorBoard),
        Replicas = result.GetValue(_replicas),
        TotalSteps = result.GetValue(_totalSteps),
        More = result.GetValue(_more),
        CheckpointEvery = result.GetValue(_checkpointEvery),
        SnapshotEvery = result.GetValue(_snapshotEvery),
        KeepLast = result.GetValue(_keepLast),
        KeepOptimizer = result.GetValue(_keepOptimizer),
        Freeze = result.GetValue(_freeze)!,
        BatchSize = result.GetValue(_batchSize),
        Seed = result.GetValue(_seed),
        Layout = result.GetValue(_layout)!,
        Width = result.GetValue(_width),
        Dropout = result.GetValue(_dropout),
        Sync = result.GetValue(_sync),
        Overlap = result.GetValue(_overlap),
        ResumeFrom = result.GetValue(_resumeFrom),
        Branch = result.GetValue(_branch),
        StopFile = result.GetValue(_stopFile),
        LogEvery = result.GetValue(_logEvery),
        Evaluate = result.GetValue(_evaluate),
        SaveBest = result.GetValue(_saveBest),
        EarlyStopping = result.GetValue(_earlyStopping),
        ValidateEvery = result.GetValue(_validateEvery),
        FinalDigest = result.GetValue(_finalDigest),
        CrashAt = result.GetValue(_crashAt),
        CrashRank = result.GetValue(_crashRank),
        OverflowAt = result.GetValue(_overflowAt) ?? Defaults.OverflowAt,
        Tp = result.GetValue(_tp),
        Dp = result.GetValue(_dp),
        Zero = result.GetValue(_zero),
        RankTimeout = result.GetValue(_rankTimeout),
        StopGrace = result.GetValue(_stopGrace),
    };

    static Option<int?> Kept(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "number",
        CustomParser = result => Number(result, result.Tokens[0].Value, 2),
    };

    static Option<int> Whole(string name, string description, int smallest, int byDefault) => new(name)
    {
        Description = description,
        HelpName = "number",
        DefaultValueFactory = _ => byDefault,
        CustomParser = result => Number(result, result.Tokens[0].Value, smallest) ?? byDefault,
    };

    static Option<int?> Ranks(string name, string description, int smallest = 1) => new(name)
    {
        Description = description,
        HelpName = "ranks",
        CustomParser = result => Number(result, result.Tokens[0].Value, smallest),
    };

    static string? Layout(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (CheckpointLayouts.Contains(text))
        {
            return text;
        }
        result.AddError($"--layout cannot be '{text}': type one of {string.Join(", ", CheckpointLayouts.Names.Order(StringComparer.Ordinal))}.");
        return null;
    }

    static long SnapshotEvery(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (text.Equals("auto", StringComparison.OrdinalIgnoreCase))
        {
            return CheckpointOptions.Auto;
        }
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var steps))
        {
            return steps;
        }
        result.AddError($"--snapshot-every cannot be '{text}': type a whole number of steps, such as --snapshot-every 20, or auto.");
        return Defaults.SnapshotEvery;
    }

    static int Width(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var width) && width > 0 && width % 8 == 0)
        {
            return width;
        }
        result.AddError($"--width cannot be '{text}': type a multiple of 8, such as --width 928.");
        return Defaults.Width;
    }

    static double Share(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var share) && share < 1)
        {
            return share;
        }
        result.AddError($"--dropout cannot be '{text}': type a number from 0 to below 1, such as --dropout 0.1.");
        return 0;
    }

    static int? Number(ArgumentResult result, string text, int smallest)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= smallest)
        {
            return number;
        }
        var option = ((OptionResult)result.Parent!).Option;
        var example = option.HelpName switch { "batches" => "30,31,250", "ranks" => "2", _ => "100" };
        result.AddError(
            $"{option.Name} cannot be '{text}': type whole numbers from {smallest} to {int.MaxValue}, such as {option.Name} {example}.");
        return null;
    }
}
