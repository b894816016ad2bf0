using Cairn.Capture;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Ranks;
using Cairn.Ranks.Planning;
using Cairn.Saving;
using Cairn.State;
using Cairn.Stores;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Starting;

/// <summary>Takes a run: locks it, tries its store out, and resumes it (<see cref="RunStart"/>).</summary>
internal static class RunStarter
{
    /// <summary>Starts a run. The parts hold the restored state when this returns.</summary>
    /// <returns>What <paramref name="begin"/> makes of the run; its errors end the start like any other.</returns>
    public static T Start<T>(
        Func<StartedRun, T> begin, IRunHome home, CheckpointOptions options, TrainState train, IEnumerable<IStatePart> parts, ILoggerFactory? loggers, TimeProvider time, RankGroup ranks, CancellationToken cancellationToken)
    {
        ILogger logger = LoggerOf(options, loggers, ranks);
        train.TotalSteps ??= options.TotalSteps;
        IReadOnlyList<IStatePart> all = ranks.OrFail(RunStart.FirstCall, () =>
        {
            ICheckpointLayout layout = CheckpointLayouts.Of(options.Layout);
            layout.CheckWorld(ranks.World);
            return WithCounters(train, parts, layout);
        });
        ILease? lease = null;
        var plan = new PlanExchange(ranks);
        var contents = new PartContents();
        var start = new RunStart(home, options, ranks, plan, contents, time, cancellationToken);
        try
        {
            (RunOpening opening, ResumeReport report) = start.Begin(() => lease = Take(home, options, time, logger, cancellationToken), train, all);
            var run = new StartedRun
            {
                Home = home,
                Lease = lease,
                Options = options,
                Train = train,
                Parts = all,
                Record = opening.Record,
                Best = start.Best,
                Resume = report,
                Verified = start.Verified,
                Forked = opening.Forked,
                Ranks = ranks,
                Plan = plan,
                Contents = contents,
                Time = time,
                Logger = logger,
                Fast = start.Fast,
                Waiting = start.Waiting,
            };
            return ranks.OrFail("start: begin", () => begin(run));
        }
        catch (Exception e)
        {
            start.Fast?.Dispose();
            lease?.Dispose();
            if (e is IOException or UnauthorizedAccessException)
                throw Unusable(home, e);
            throw;
        }
    }

    private static ILogger LoggerOf(CheckpointOptions options, ILoggerFactory? loggers, RankGroup ranks)
    {
        int? rank = ranks.Size > 1 ? ranks.Rank : null;
        ILogger logger = new PrintableLogger(loggers?.CreateLogger("Cairn.CheckpointManager") ?? new StandardErrorLogger(rank), rank);
        // What goes well is told once.
        if (!ranks.IsFirst)
            return new ProblemLogger(logger);
        foreach (string warning in options.Warnings())
            logger.OptionWarning(warning);
        return logger;
    }

    private static ILease? Take(IRunHome home, CheckpointOptions options, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        ILease? lease = null;
        try
        {
            lease = home.Acquire(time, options.LeaseDuration, logger.WaitsForLock, logger.LostLock, cancellationToken);
            if (lease?.TookOverFrom is { } dead)
                logger.TookOverLock(dead.ProcessId, dead.Host);
            if (options.ProbeStore)
                home.Probe();
            return lease;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            lease?.Dispose();
            throw Unusable(home, e);
        }
        catch
        {
            lease?.Dispose();
            throw;
        }
    }

    private static StoreException Unusable(IRunHome home, Exception e) =>
        new($"{home.Files.Root} cannot be used: {e.Message} Check Folder, its permissions and free space.", e) { Path = home.Files.Root };

    private static IStatePart[] WithCounters(TrainState train, IEnumerable<IStatePart> parts, ICheckpointLayout layout)
    {
        IStatePart[] all = [.. parts, train];
        foreach (IGrouping<string, IStatePart> same in all.GroupBy(part => part.Name, StringComparer.Ordinal))
        {
            layout.CheckPart(same.Key);
            if (same.Skip(1).Any())
                throw new ArgumentException($"Two parts are named '{same.Key}'. Give one of them another name.", nameof(parts));
        }
        return all;
    }
}
