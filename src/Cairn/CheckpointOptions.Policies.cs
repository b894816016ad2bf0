using Cairn.Policies;
using Cairn.State;

namespace Cairn;

// What the options mean: options in, policies and warnings out.
public partial class CheckpointOptions
{
    /// <summary>How many snapshots there are to a checkpoint unless the options say otherwise: InternLM takes one every N/5 steps.</summary>
    internal const int SnapshotsPerCheckpoint = 5;

    private const double DefaultStallBudget = 0.01;

    private const int SpreadCount = 4;

    /// <summary>Whether a snapshot begins when the last save is complete, and not by steps.</summary>
    internal bool SnapshotsAreContinuous => SnapshotPolicy is null && SnapshotEvery == Auto;

    /// <summary>The steps between snapshots after defaults: <see langword="null"/> when there are none by steps.</summary>
    internal long? SnapshotSteps => SnapshotEvery switch
    {
        null when CheckpointPolicy is null && CheckpointEvery is { } steps => Math.Max(1, steps / SnapshotsPerCheckpoint),
        null or 0 or Auto => null,
        { } steps => steps,
    };

    /// <summary>When checkpoints and snapshots are due. <see cref="Enabled"/> is not looked at.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An interval is not positive.</exception>
    internal SaveSchedule CreateSchedule() => new(
        CheckpointPolicy ?? PolicyOf(CheckpointEvery, CheckpointInterval),
        SnapshotPolicy ?? PolicyOf(SnapshotSteps, SnapshotInterval, SnapshotsAreContinuous ? SavePolicy.Continuous(SnapshotStallBudget) : null));

    /// <summary>Whether any of the Keep rules is set.</summary>
    internal bool HasKeepRule => this is not { KeepLast: null, KeepEvery: null, KeepBest: null, KeepWithinBytes: null, KeepEach: null, KeepSpread: null };

    /// <summary>Whether every checkpoint stays.</summary>
    internal bool KeepsAll => RetentionPolicy is null && !HasKeepRule;

    /// <summary>The metric by which checkpoints are kept; <see langword="null"/> when they are not kept by one.</summary>
    internal string? RetentionMetric => this is { RetentionPolicy: null, KeepBest: not null } ? MetricToKeep : null;

    /// <summary>When a checkpoint is the best; <see langword="null"/> when nobody asks.</summary>
    internal BestRule? BestRule => SaveBestMetric is { } metric ? new BestRule(WellFormedText.Repaired(metric), SaveBestHigher, SaveBestMinDelta) : null;

    private string? MetricToKeep => string.IsNullOrWhiteSpace(KeepBestMetric) ? SaveBestMetric : KeepBestMetric;

    private bool HigherToKeep => string.IsNullOrWhiteSpace(KeepBestMetric) ? SaveBestHigher : KeepBestHigher;

    /// <summary>
    /// Which checkpoints stay: what <see cref="RetentionPolicy"/> says, or else those that any of the Keep rules keeps, all where there is no rule, and of these as many as
    /// <see cref="KeepWithinBytes"/> allows.
    /// </summary>
    /// <exception cref="ArgumentException">A rule's value is out of range, or <see cref="KeepBest"/> has no metric.</exception>
    public IRetentionPolicy CreateRetention()
    {
        if (RetentionPolicy is { } own)
            return own;
        List<IRetentionPolicy> rules = [];
        if (KeepLast is { } last)
            rules.Add(Retention.KeepLast(last));
        if (KeepEvery is { } multiple)
            rules.Add(Retention.KeepEvery(multiple));
        if (KeepEach is { } interval)
            rules.Add(Retention.KeepEach(interval));
        if (KeepSpread is { } steps)
            rules.Add(Retention.KeepSpread(steps, SpreadCount));
        if (KeepBest is { } best)
            rules.Add(Retention.KeepBest(best, MetricToKeep ?? "", HigherToKeep));
        IRetentionPolicy kept = Retention.Any(rules);
        return KeepWithinBytes is { } budget ? Retention.WithinBytes(budget, kept) : kept;
    }

    // A schedule by time is asked at every step, but not more often than this over the whole run.
    private const long MostQuestions = 5_000_000;

    /// <summary>Whether anything is saved by time rather than by steps.</summary>
    internal bool SavesByTime => SnapshotsAreContinuous || CheckpointInterval is not null || SnapshotInterval is not null || CheckpointPolicy is not null || SnapshotPolicy is not null;

    /// <summary>What these options would do to the rest of a run, to be filled in with what is known about times and space.</summary>
    /// <param name="standing">What stands already.</param>
    /// <param name="totalSteps">The last step.</param>
    /// <param name="copy">The size of one copy.</param>
    internal ForecastRequest Forecast(StandingCopies standing, long totalSteps, CopySize copy) => new()
    {
        Schedule = Enabled ? CreateSchedule() : null,
        Standing = standing,
        Stride = StrideOf(totalSteps),
        TotalSteps = totalSteps,
        StepSeconds = 1,
        SnapshotStallBudget = SnapshotsAreContinuous ? SnapshotStallBudget : null,
        Copy = copy,
        Metric = RetentionMetric is { } metric ? (metric, HigherToKeep) : null,
    };

    /// <summary>Steps between which nothing can become due: whole numbers of them meet every multiple of both intervals.</summary>
    internal long StrideOf(long totalSteps) => SavesByTime ? Math.Max(1, totalSteps / MostQuestions) : Gcd(CheckpointEvery ?? 0, SnapshotSteps ?? 0) is > 0 and var stride ? stride : Math.Max(1, totalSteps);

    private static long Gcd(long a, long b)
    {
        while (b != 0)
            (a, b) = (b, a % b);
        return a;
    }

    /// <summary>What is allowed but hardly meant, one sentence each; empty when there is nothing to say.</summary>
    public IReadOnlyList<string> Warnings()
    {
        List<string> warnings = [];
        if (!Enabled)
            return warnings;
        // A rule of the user's own says nothing about steps.
        bool hasIntervals = CheckpointPolicy is null && SnapshotPolicy is null;
        if (hasIntervals && SnapshotEvery is > 0 && SnapshotEvery >= CheckpointEvery)
        {
            warnings.Add($"SnapshotEvery ({SnapshotEvery}) is not smaller than CheckpointEvery ({CheckpointEvery}): " +
                "snapshots add almost nothing to the checkpoints. Make it smaller, or 0 for no snapshots.");
        }
        if (hasIntervals && SnapshotInterval >= CheckpointInterval)
        {
            warnings.Add($"SnapshotInterval ({SnapshotInterval:c}) is not smaller than CheckpointInterval ({CheckpointInterval:c}): " +
                "a checkpoint is always due first. Make it smaller, or leave it out.");
        }
        if (CheckpointPolicy is not null && SnapshotPolicy is null && SnapshotEvery is null && SnapshotInterval is null)
            warnings.Add("CheckpointPolicy is set, and nothing says when snapshots are due: there will be none. Set SnapshotEvery, SnapshotInterval or SnapshotPolicy; SnapshotEvery = 0 says that none are wanted.");
        if (SnapshotPolicy is null && SnapshotSteps > TotalSteps && SnapshotEvery is not null)
            warnings.Add($"SnapshotEvery ({SnapshotSteps}) is longer than the run ({Counted.Of(TotalSteps.Value, "step")}): there will be no snapshot by steps.");
        if (SnapshotStallBudget != DefaultStallBudget && SnapshotEvery != Auto)
            warnings.Add("SnapshotStallBudget is set and has no effect: it is for SnapshotEvery = auto.");
        if (SaveBestMetric is { } metric && KeepsAll)
            warnings.Add($"SaveBestMetric ('{metric}') leaves a checkpoint at each improvement, and without a Keep rule all stay. Set KeepLast, or KeepBest for more than the best.");
        if (OverlapCapture && !Asynchronous)
            warnings.Add("OverlapCapture is set and Asynchronous is not: training waits for each save anyway. Set Asynchronous, or leave OverlapCapture out.");
        if (CheckpointPolicy is null && CheckpointEvery > TotalSteps)
        {
            warnings.Add($"CheckpointEvery ({CheckpointEvery}) is longer than the run ({Counted.Of(TotalSteps.Value, "step")}): " +
                "no checkpoint is due before the end; the final checkpoint will still be written.");
        }
        return warnings;
    }

    private static ISavePolicy PolicyOf(long? steps, TimeSpan? interval, ISavePolicy? continuous = null)
    {
        List<ISavePolicy> policies = [];
        if (continuous is not null)
            policies.Add(continuous);
        if (steps is { } count)
            policies.Add(SavePolicy.EverySteps(count));
        if (interval is { } time)
            policies.Add(SavePolicy.Every(time));
        return SavePolicy.Any(policies);
    }
}
