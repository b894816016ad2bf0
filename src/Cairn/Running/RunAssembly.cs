using Cairn.Journal;
using Cairn.Opening;
using Cairn.Saving;
using Cairn.Starting;
using Cairn.Stopping;
using Cairn.Stores;
using Cairn.Tiers;
using Microsoft.Extensions.Logging;

namespace Cairn.Running;

/// <summary>What a run is made of while it is trained, and how it is connected. Decides nothing.</summary>
internal sealed class RunAssembly : IDisposable
{
    private static readonly TimeSpan LongestErrand = TimeSpan.FromSeconds(5);

    // What training itself reads and writes on the way.
    private readonly PatientFiles _files;

    /// <param name="run">What the start has found out.</param>
    /// <param name="ended">Told of each save that has ended.</param>
    public RunAssembly(StartedRun run, Action<SaveReport> ended)
    {
        (CheckpointOptions options, TimeProvider time, ILogger logger) = (run.Options, run.Time, run.Logger);
        var clock = new SteadyClock(time);
        Schedule = options.CreateSchedule();
        _files = new PatientFiles(run.Home.Files, options.StoreTimeout < LongestErrand ? options.StoreTimeout : LongestErrand);
        // What is far is written behind; the thread on which that is done must not wait for itself.
        Journal = run.Home.IsFar ? new(run.Home.Files, time, logger, run.Ranks.IsFirst, _files.Later) : new(_files, time, logger, run.Ranks.IsFirst);
        Board = RunBoard.Of(run);
        Batches = new BatchJournal(Journal, run.Train, run.Fast?.Root, new BatchMetrics(Journal, run.Train, time, run.Home.IsFar, Board is null ? null : Board.Measured));
        Engine = new SaveEngine(run.Home, options, time, run.Ranks, run.Lease, run.Fast);
        if (run.Verified is { } verified)
            Engine.StartFrom(verified.Entry, verified.Identities);
        if (run.Fast is { } fast)
        {
            Drainer = new Drain(fast, run.Home, run.Lease, LineView.Of(run.Record), options, time);
            fast.DrainSilence = () => Drainer.Silence;
            fast.Bring = Drainer.BringAside;
        }
        Operators = run.Ranks.IsFirst ? new OperatorRequests(run.Home.Files, options, run.Resume.Step, Journal, time, logger) : null;
        Watch = new BatchWatch(run.Train, run.Parts);
        Capture = new CaptureEnding(Engine, Watch);
        Requests = new RunRequests(time);
        Patience = new RunPatience(options, run.Ranks, Requests);
        Tiers = new SavedTiers(run, clock);
        Best = new BestTracker(options.BestRule, run.Best, run.Train);
        Saver = new RunSaver(run, Engine, Tiers, Patience, new SaveJournal(Journal, logger), Operators, Best, Board is null ? ended : (Action<SaveReport>)Board.Saved + ended);
        Decisions = new BatchDecisions(run, Requests, Operators, Schedule, Tiers, Engine, Watch, Patience, clock, Drainer, Best, Saver);
        Drain = new RunDrain(run, Drainer, Decisions, Saver, Patience);
        SignalSaver = new SignalSaver(Requests, Decisions, Saver, Drain, Engine.Writer, Watch, Patience, isAlone: run.Ranks.Size == 1);
        Ending = new RunEnding(run, Decisions, Saver, Drain, Tiers, Watch, Operators, Batches, _files, new BestModel(run, Best), ended);
        Boundary = new BatchBoundary(run, this);
    }

    public Policies.SaveSchedule Schedule { get; }
    public RunJournal Journal { get; }

    /// <summary>The curves for TensorBoard; <see langword="null"/> when nobody wants them, or another rank writes them.</summary>
    public RunBoard? Board { get; }

    public BatchJournal Batches { get; }
    public SaveEngine Engine { get; }

    /// <summary>Brings copies from the fast tier to the home; <see langword="null"/> without one.</summary>
    public Drain? Drainer { get; }

    /// <summary>What operators ask for, on the first rank.</summary>
    public OperatorRequests? Operators { get; }

    public BatchWatch Watch { get; }
    public CaptureEnding Capture { get; }

    /// <summary>What the program and the system ask for.</summary>
    public RunRequests Requests { get; }

    public RunPatience Patience { get; }
    public SavedTiers Tiers { get; }
    public BestTracker Best { get; }
    public BatchDecisions Decisions { get; }
    public RunSaver Saver { get; }
    public RunDrain Drain { get; }
    public SignalSaver SignalSaver { get; }
    public RunEnding Ending { get; }
    public BatchBoundary Boundary { get; }

    /// <summary>Writes what is left of the small files, as far as their store takes it in time.</summary>
    public void Flush()
    {
        _files.Flush();
        Board?.Flush();
    }

    public void Dispose()
    {
        Operators?.Dispose();
        Engine.Dispose();
        _files.Flush();
        _files.Dispose();
        Board?.Dispose();
    }
}
