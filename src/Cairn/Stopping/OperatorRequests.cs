using Cairn.Journal;
using Cairn.Stores;
using Cairn.Telemetry;
using Microsoft.Extensions.Logging;

namespace Cairn.Stopping;

/// <summary>What an operator asks of a run by files: by the run's <c>command</c> and by the stop file. The first rank reads them. Belongs to the training thread.</summary>
internal sealed class OperatorRequests : IDisposable
{
    private readonly ILogger _logger;
    private readonly bool _canSave;
    private readonly long _startStep;
    private readonly OperatorWatch _watch;
    private readonly CommandChannel _commands;
    private StopFileState? _stopFile;

    /// <param name="files">The run.</param>
    /// <param name="options">Where the stop file is, and whether anything is saved at all.</param>
    /// <param name="startStep">The step at which this process began.</param>
    /// <param name="journal">Takes the answers.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Hears of what cannot be read.</param>
    public OperatorRequests(IRunFiles files, CheckpointOptions options, long startStep, RunJournal journal, TimeProvider time, ILogger logger)
    {
        (_logger, _canSave, _startStep) = (logger, options.Enabled, startStep);
        Func<StopCommand>? stopFile = options.StopFile is { } file && HomeFolder.Expanded(file) is var path ? () => StopFile.Read(path) : null;
        _watch = new OperatorWatch(new CommandFile(files, time), stopFile, time, logger.CommandProblem);
        _commands = new CommandChannel(_watch, journal, logger);
    }

    /// <summary>Whether the run was told to stop.</summary>
    public bool Stop { get; private set; }

    /// <summary>Takes away commands that are left over from before this process, and looks at the files from now on.</summary>
    public void Start()
    {
        _commands.DiscardLeftOver(_startStep);
        _watch.Start();
    }

    /// <summary>Hears what is asked for at this step.</summary>
    /// <param name="step">Steps made.</param>
    /// <param name="takesCommands">Whether the run's commands are this process's to take.</param>
    /// <returns>Whether a checkpoint is asked for.</returns>
    public bool Hear(long step, bool takesCommands)
    {
        bool save = false;
        if (takesCommands)
        {
            (save, bool stop) = _commands.Due(step, _canSave);
            Stop |= stop;
        }
        if (_watch.StopFile is { } found)
        {
            // The first that is seen may be left over from before the start.
            _stopFile = (_stopFile ?? StopFileState.AtStart(_startStep, found)).Decide(step, found, out StopVerdict verdict);
            if (verdict.Problem is { } problem)
                _logger.StopFileProblem(problem);
            save |= verdict.Save && !verdict.Stop;
            Stop |= verdict.Stop;
        }
        return save;
    }

    /// <summary>Answers the commands that the newest checkpoint fulfils.</summary>
    public void Settle(long step, long? lastCheckpoint) => _commands.Settle(step, lastCheckpoint, _canSave);

    /// <summary>Answers the commands that a checkpoint was to fulfil which was not saved.</summary>
    public void Fail(long step, SaveReport report) => _commands.Fail(step, report);

    /// <summary>Answers all commands that are left, for the run ends here.</summary>
    public void End(long step, long? lastCheckpoint) => _commands.End(step, lastCheckpoint);

    public void Dispose() => _watch.Dispose();
}
