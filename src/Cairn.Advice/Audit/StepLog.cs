using System.Text.RegularExpressions;

namespace Cairn.Advice.Audit;

/// <summary>
/// What a trainer says that prints steps. Its groups: <c>step</c>, <c>total</c>, <c>epochs</c>, <c>path</c>, <c>seconds</c>; where a trainer counts by epochs, also <c>epoch</c>, and <c>step</c> and
/// <c>total</c> are then of one epoch.
/// </summary>
/// <param name="Source">Which trainer.</param>
/// <param name="Step">A step was made.</param>
/// <param name="Start">Training begins, at the step that comes next.</param>
/// <param name="Resume">What it goes on from: a path that ends with the step, or a number of steps.</param>
/// <param name="Total">How many steps are planned, if not said with each.</param>
/// <param name="Save">A save begins: of the step that was made last, or one that it names.</param>
/// <param name="Saved">A save has ended.</param>
/// <param name="End">Training is complete.</param>
/// <param name="Folder">Where it saves to.</param>
internal sealed partial record StepLog(HistorySource Source, Regex Step, Regex? Start, Regex? Resume, Regex? Total, Regex? Save, Regex? Saved, Regex? End, Regex? Folder)
{
    private const RegexOptions Options = RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant;
    private const int MostMilliseconds = 1000;

    /// <summary>What this trainer says.</summary>
    public static StepLog Of(HistorySource source) => source switch
    {
        HistorySource.TorchTitan => new(source, TitanStep(), TitanStart(), TitanLoad(), TitanTotal(), TitanSave(), TitanSaved(), TitanEnd(), null),
        HistorySource.MmEngine => new(source, MmStep(), null, MmResume(), null, MmSave(), null, null, MmFolder()),
        // It tells nothing of its saves.
        HistorySource.XTuner => new(source, XTunerStep(), null, XTunerResume(), null, null, null, XTunerEnd(), null),
        _ => throw new ArgumentOutOfRangeException(nameof(source)),
    };

    // torchtitan: components/metrics.py, train.py, components/checkpoint.py. The first versions wrote the total beside the step.
    [GeneratedRegex(@"^step:\s*(?<step>\d+)(/(?<total>\d+))?\b.*\bloss:", Options, MostMilliseconds)]
    private static partial Regex TitanStep();

    [GeneratedRegex(@"^Training starts at step (?<step>\d+)", Options, MostMilliseconds)]
    private static partial Regex TitanStart();

    [GeneratedRegex(@"^Loading the checkpoint (at step (?<step>\d+)|from (?<path>\S+?))\.?$", Options, MostMilliseconds)]
    private static partial Regex TitanLoad();

    [GeneratedRegex(@"\btotal steps (?<total>\d+)", Options, MostMilliseconds)]
    private static partial Regex TitanTotal();

    [GeneratedRegex(@"^Saving (the checkpoint|a (full|model (weights )?only) checkpoint.* at last step, step (?<step>\d+))", Options, MostMilliseconds)]
    private static partial Regex TitanSave();

    [GeneratedRegex(@"^Finished saving the checkpoint.*?in (?<seconds>\d+(\.\d+)?) seconds", Options, MostMilliseconds)]
    private static partial Regex TitanSaved();

    [GeneratedRegex(@"^Training completed", Options, MostMilliseconds)]
    private static partial Regex TitanEnd();

    // mmengine: hooks/logger_hook.py, hooks/checkpoint_hook.py, runner/runner.py.
    [GeneratedRegex(@"^(Iter\(train\)\s+|Epoch\(train\)\s+\[\s*(?<epoch>\d+)\])\[\s*(?<step>\d+)/(?<total>\d+)\]", Options, MostMilliseconds)]
    private static partial Regex MmStep();

    [GeneratedRegex(@"^resumed epoch: \d+, iter: (?<step>\d+)|^Auto resumed from the latest checkpoint (?<path>\S+?)\.?$", Options, MostMilliseconds)]
    private static partial Regex MmResume();

    [GeneratedRegex(@"^Saving checkpoint at\s+((?<step>\d+) iterations|(?<epochs>\d+) epochs)", Options, MostMilliseconds)]
    private static partial Regex MmSave();

    [GeneratedRegex(@"^Checkpoints will be saved to (?<path>\S+?)\.?$", Options, MostMilliseconds)]
    private static partial Regex MmFolder();

    // XTuner 1: xtuner/v1/train/trainer.py.
    [GeneratedRegex(@"^(Epoch \d+ )?Step (?<step>\d+)/(?<total>\d+) ", Options, MostMilliseconds)]
    private static partial Regex XTunerStep();

    [GeneratedRegex(@"^Resume from checkpoint: (?<path>\S+)", Options, MostMilliseconds)]
    private static partial Regex XTunerResume();

    [GeneratedRegex(@"^Training finished in ", Options, MostMilliseconds)]
    private static partial Regex XTunerEnd();
}
