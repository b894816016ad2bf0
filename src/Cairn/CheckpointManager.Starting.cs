using Cairn.Capture;
using Cairn.Checkpoints;
using Cairn.Configuration;
using Cairn.Journal;
using Cairn.Layouts;
using Cairn.Opening;
using Cairn.Policies;
using Cairn.Ranks;
using Cairn.Ranks.Planning;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.State;
using Cairn.Stopping;
using Cairn.Stores;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Cairn;

// From the options to a run that is locked, probed and resumed.
public sealed partial class CheckpointManager
{
    /// <summary>
    /// Takes the run: locks it (which may take <see cref="CheckpointOptions.LeaseDuration"/> after a process of another host was lost), tries the store out, ends what a crash interrupted, and resumes from the newest good copy, if there is one.
    /// The parts hold the restored state when this returns.
    /// </summary>
    /// <param name="options">What to save, when and where. Read now; later changes have no effect.</param>
    /// <param name="train">The run's counters; saved as the part <c>context</c>.</param>
    /// <param name="parts">The state besides the counters, in the order of restoring.</param>
    /// <param name="loggers">Where to log. By default warnings and errors go to standard error, each kind once.</param>
    /// <param name="time">The clock; the system's by default.</param>
    /// <param name="ranks">The ranks of the job, each of which starts the run at the same time with the same options; this process alone by default. The manager makes calls on this group and
    /// on channels of its own until it is disposed; what else is called on this group, all ranks call in the same order between the manager's calls.</param>
    /// <param name="cancellationToken">Ends the search for a copy to resume from.</param>
    /// <exception cref="OptionsValidationException">The options contradict themselves.</exception>
    /// <exception cref="CheckpointException">The parts cannot be saved: one cannot be captured, or the layout has no form for what it holds. Nothing was changed.</exception>
    /// <exception cref="RunLockedException">Another process writes this run.</exception>
    /// <exception cref="StoreException">The folder cannot be written.</exception>
    /// <exception cref="StateMismatchException">The checkpoint does not fit the parts; nothing was changed.</exception>
    /// <exception cref="CorruptCheckpointException">There are copies, and none can be used.</exception>
    /// <exception cref="RankFailedException">One of these on another rank.</exception>
    /// <exception cref="RankTimeoutException">Ranks did not start in time.</exception>
    public static Task<CheckpointManager> StartAsync(
        CheckpointOptions options, TrainState train, IEnumerable<IStatePart> parts, ILoggerFactory? loggers = null, TimeProvider? time = null, RankGroup? ranks = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        // On the caller's thread: the parts belong to it.
        try
        {
            IRunHome home = ForAll(ranks, RunStart.FirstCall, () =>
            {
                Validate(options);
                if (options.Store is { } store)
                    return new StoreHome(store);
                string folder = options.Folder.StartsWith("local:", StringComparison.Ordinal) ? options.Folder["local:".Length..] : options.Folder;
                return folder.Contains("://", StringComparison.Ordinal)
                    ? throw new StoreException($"'{folder}' is not a folder. Give a local or mounted folder, or set Store for an object store.") { Path = folder }
                    : (IRunHome)new DiskHome(new LocalFileSystem(folder));
            });
            return Task.FromResult(Start(home, options, train, parts, loggers, time, ranks, cancellationToken));
        }
        catch (Exception e)
        {
            return Task.FromException<CheckpointManager>(e);
        }
    }

    /// <summary>As above, over any file system; one that is not a local folder is not locked.</summary>
    internal static CheckpointManager Start(
        IFileSystem files, CheckpointOptions options, TrainState train, IEnumerable<IStatePart> parts, ILoggerFactory? loggers = null, TimeProvider? time = null, RankGroup? ranks = null, CancellationToken cancellationToken = default) =>
        Start(new DiskHome(files), options, train, parts, loggers, time, ranks, cancellationToken);

    /// <summary>As above, wherever the run lives.</summary>
    internal static CheckpointManager Start(
        IRunHome home, CheckpointOptions options, TrainState train, IEnumerable<IStatePart> parts, ILoggerFactory? loggers = null, TimeProvider? time = null, RankGroup? ranks = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(parts);
        time ??= TimeProvider.System;
        ranks ??= RankGroup.Single;
        int? rank = ranks.Size > 1 ? ranks.Rank : null;
        ILogger logger = new PrintableLogger(loggers?.CreateLogger<CheckpointManager>() ?? (ILogger)new StandardErrorLogger(rank), rank);
        if (ranks.IsFirst)
        {
            foreach (string warning in options.Warnings())
                logger.OptionWarning(warning);
        }
        else
        {
            // What goes well is told once.
            logger = new ProblemLogger(logger);
        }
        train.TotalSteps ??= options.TotalSteps;
        IReadOnlyList<IStatePart> all = ForAll(ranks, RunStart.FirstCall, () =>
        {
            ICheckpointLayout layout = CheckpointLayouts.Of(options.Layout);
            layout.CheckWorld(ranks.World);
            return WithContext(train, parts, layout);
        });
        ILease? lease = null;
        try
        {
            var plan = new PlanExchange(ranks);
            var contents = new PartContents();
            (RunOpening opening, ResumeReport report) = new RunStart(home, options, ranks, plan, contents, time, cancellationToken).Begin(() => lease = Prepare(home, options, time, logger, cancellationToken), train, all);
            return ForAll(ranks, "start: begin", () => new CheckpointManager(home, lease, options, train, all, opening, report, ranks, plan, contents, time, logger));
        }
        catch (Exception e)
        {
            lease?.Dispose();
            if (e is IOException or UnauthorizedAccessException)
                throw Unusable(home, e);
            throw;
        }
    }

    private CheckpointManager(
        IRunHome home, ILease? lease, CheckpointOptions options, TrainState train, IReadOnlyList<IStatePart> parts, RunOpening opening, ResumeReport resume,
        RankGroup ranks, PlanExchange plan, PartContents contents, TimeProvider time, ILogger logger)
    {
        (_files, _lock, _options, _parts, _time, _logger, _run) = (home.Files, lease, options, parts, time, logger, opening.Record);
        (_ranks, _channel, _plan, _contents) = (ranks, ranks, plan, contents);
        Train = train;
        Resume = resume;
        _schedule = options.CreateSchedule();
        _engine = new SaveEngine(home, options, time, ranks, lease);
        _patient = new PatientFiles(home.Files, options.StoreTimeout < LongestErrand ? options.StoreTimeout : LongestErrand);
        _journal = new RunJournal(_patient, time, logger, writes: ranks.IsFirst);
        _saveJournal = new SaveJournal(_journal, logger);
        if (ranks.IsFirst)
        {
            Func<StopCommand>? stopFile = options.StopFile is { } path ? () => StopFileReader.Read(path) : null;
            _watch = new OperatorWatch(new CommandFile(home.Files, time), stopFile, time, logger.CommandProblem);
            _commands = new CommandChannel(_watch, _journal, logger);
        }
        _clock = new SteadyClock(time);
        (_checkpointTier, _snapshotTier) = (NewestOf(SaveKind.Checkpoint, _clock.Now), NewestOf(SaveKind.Snapshot, _clock.Now));
        (_previousStep, _seenSkips) = (train.Step, train.SkippedBatches);
        _batch = new BatchWatch(train, parts);
        if (options.HandleSignals)
            _signals = new StopSignals(Signal);
        if (_run.Finished?.At(train, _run.Lineage) is { } reason)
            train.Finish(reason);
        AppDomain.CurrentDomain.ProcessExit += WaitAtExit;
        if (ranks.IsFirst && options is { Enabled: true, KeepBest: not null, KeepBestMetric: { } metric } && UnmeasuredCheckpoints.AtStart(train, metric) is { } warning)
            logger.OptionWarning(warning);
        Announce(opening.Forked);
        _commands?.DiscardLeftOver(train.Step);
        _watch?.Start();
    }

    private void Announce(bool forked)
    {
        foreach (string part in Resume.NotExact)
            _logger.NotExact(part);
        // The same on all ranks.
        foreach (SettingDifference difference in _ranks.IsFirst ? Resume.Settings : [])
            _logger.SettingDiffers(difference.ToString());
        foreach (CheckpointFault fault in Resume.PassedOver)
            _logger.PassedOver(fault.ToString());
        if (forked)
            _logger.Branched(Resume.Step, Resume.Branch.Id, Resume.Branch.Name);
        if (Resume.IsFresh)
            _logger.StartedFresh(_run.Id, _files.Root);
        else
            _logger.Resumed(_run.Id, Resume.Step, Resume.Source!, Resume.LostSteps);
        if (Train.IsComplete)
            _logger.AlreadyFinished(Train.Step, Train.FinishedBecause ?? $"its {Train.TotalSteps} steps are made");
        CairnTelemetry.LostSteps.Add(Resume.LostSteps);
        new StartJournal(_journal).Report(_run.Id, Resume, forked, Train, _options, _schedule, _ranks.Size);
    }

    // What is complete by its marker: a step that has its copy is not saved again after a restart.
    private SavedTier NewestOf(SaveKind kind, DateTimeOffset now)
    {
        var line = LineView.Of(_run);
        foreach (CatalogEntry entry in Catalog.Read(_files).Entries)
        {
            if (entry.Kind == kind && entry.Step <= Train.Step && line.Holds(entry)
                && !Resume.PassedOver.Any(fault => fault.Folder == entry.Folder))
            {
                return new SavedTier(entry.Step, now);
            }
        }
        return new SavedTier(null, now);
    }

    // Runs also when the program ends without a disposal.
    private void WaitAtExit(object? sender, EventArgs e)
    {
        if (_engine.WaitAtExit(LongestSilence) is { } hangs)
            _logger.EndedWhileSaving(hangs.Message);
    }

    private static ILease? Prepare(IRunHome home, CheckpointOptions options, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
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

    // What this rank does by itself: the others, who would wait for it in their next call, hear of its error at once.
    private static T ForAll<T>(RankGroup? ranks, string purpose, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (ranks is { Size: > 1 })
        {
            ranks.Fail(purpose, e.Message);
            throw;
        }
    }

    private static StoreException Unusable(IRunHome home, Exception e) =>
        new($"{home.Files.Root} cannot be used: {e.Message} Check Folder, its permissions and free space.", e) { Path = home.Files.Root };

    private static IStatePart[] WithContext(TrainState train, IEnumerable<IStatePart> parts, ICheckpointLayout layout)
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

    private static void Validate(CheckpointOptions options)
    {
        ValidateOptionsResult result = new CheckpointOptionsValidator().Validate(null, options);
        if (result.Failed)
            throw new OptionsValidationException(nameof(CheckpointOptions), typeof(CheckpointOptions), result.Failures);
    }
}
