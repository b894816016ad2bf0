using System.Runtime.InteropServices;
using Cairn.Checkpoints;
using Cairn.Mpi.Native;
using Cairn.Ranks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cairn.Mpi;

/// <summary>
/// This process as a rank of an MPI job: started once, at the beginning of the program, and disposed at its end. Without a launcher
/// it is a job of one rank, and no MPI needs to be installed.
/// </summary>
public sealed class MpiJob : IDisposable
{
    private const string End = "end of the job";
    private readonly MpiFunctions? _mpi;
    private readonly MpiThread? _thread;
    private readonly MpiOptions _options;
    private readonly ILogger _logger;
    private readonly List<MpiCollectives> _groups = [];
    private readonly bool _ownsMpi, _needsQuietEnd;
    private readonly PosixSignalRegistration? _deathNotice;
    private bool _ended, _failed;

    private MpiJob(MpiOptions options, ILogger logger)
    {
        (_options, _logger) = (options, logger);
        Ranks = new RankGroup(RankGroup.Alone, World.For(1, options.Tp, options.Pp, options.Dp, options.Zo), options.Timeout);
        (All, Tensor, Pipeline, Data, Zero) = (Collectives.Single, Collectives.Single, Collectives.Single, Collectives.Single, Collectives.Single);
    }

    private MpiJob(MpiImplementation implementation, MpiLaunch launch, MpiOptions options, ILogger logger)
    {
        (_options, _logger, Implementation) = (options, logger, implementation);
        SignalHandlers handlers = SignalHandlers.Note();
        nint handle = MpiLibrary.Load(implementation, options.LibraryPath);
        _mpi = new MpiFunctions(handle, MpiAbi.Of(implementation, handle));
        _thread = new MpiThread();
        string library = _mpi.LibraryVersion();
        (Library, _needsQuietEnd) = (library.Split('\n', ',')[0].Trim(), MpichEnding.NeedsQuiet(library));
        if (_mpi.Finalized)
            throw new MpiException("MPI has been ended in this process and cannot be started again. Keep one MpiJob for the whole program.");
        _ownsMpi = !_mpi.Initialized;
        Threads = _ownsMpi ? (MpiThreadLevel)Together("MPI_Init_thread", () => (int)_mpi.InitThread(options.Threads)) : _mpi.QueryThread();
        handlers.Restore();
        // MPICH's launcher, when told to keep the others alive, tells them of a rank's death by SIGUSR1, which ends a process that does not listen.
        if (implementation == MpiImplementation.Mpich)
            _deathNotice = PosixSignalRegistration.Create((PosixSignal)(OperatingSystem.IsMacOS() ? 30 : 10), static notice => notice.Cancel = true);
        if (Threads < MpiThreadLevel.Serialized)
            throw new MpiException($"{Library} allows calls only from one thread ({Threads}); a job saves in the background while it trains. Use an MPI with thread support, such as the packages of Debian and Ubuntu.");
        if (Threads == MpiThreadLevel.Multiple)
            _mpi.AllowConcurrentCalls();
        nint world = _mpi.Abi.World;
        _mpi.ReturnErrors(world);
        if (_mpi.CommSize(world) != launch.Size)
            throw new MpiException($"{launch.By} started {launch.Size} processes, but {Library} sees {_mpi.CommSize(world)}: launcher and library are of different MPIs, or srun lacks the plug-in. Use the mpirun that belongs to the library, or srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH), or set CAIRN_MPI to openmpi or mpich.");

        // The sizes are compared before they are believed: in worlds that ranks see differently, groups would not meet.
        Ranks = new RankGroup(new MpiTransport(_mpi, Copy(world), new MpiTransport(_mpi, Copy(world))), World.For(launch.Size), options.Timeout)
            .In(World.For(launch.Size, options.Tp, options.Pp, options.Dp, options.Zo), options.StartTimeout);
        RankCoordinates at = Ranks.Coordinates;
        All = Group("whole job", _ => true, color: 0);
        Tensor = Group("tensor-parallel group", other => other with { Tp = at.Tp } == at, at.Dp + Ranks.World.Dp * at.Pp);
        Pipeline = Group("pipeline-parallel group", other => (other.Tp, other.Dp) == (at.Tp, at.Dp), at.Tp + Ranks.World.Tp * at.Dp);
        Data = Group("data-parallel group", other => (other.Tp, other.Pp) == (at.Tp, at.Pp), at.Tp + Ranks.World.Tp * at.Pp);
        int zeros = Ranks.World.Dp / Ranks.World.Zo;
        Zero = Group("optimizer-sharing group", other => (other.Tp, other.Pp, other.Dp / Ranks.World.Zo) == (at.Tp, at.Pp, at.Dp / Ranks.World.Zo), at.Tp + Ranks.World.Tp * (at.Dp / Ranks.World.Zo + zeros * at.Pp));
        logger.Started(Ranks.Rank, Ranks.Size, Library, $"MPI_THREAD_{Threads.ToString().ToUpperInvariant()}", Ranks.World);
    }

    /// <summary>The ranks, and how they agree.</summary>
    public RankGroup Ranks { get; }
    /// <summary>Collectives over all ranks.</summary>
    public ICollectives All { get; }
    /// <summary>Collectives over the ranks that share each tensor with this one.</summary>
    public ICollectives Tensor { get; }
    /// <summary>Collectives over the ranks that share the layers with this one.</summary>
    public ICollectives Pipeline { get; }
    /// <summary>Collectives over the ranks that share the batch with this one.</summary>
    public ICollectives Data { get; }
    /// <summary>Collectives over the ranks that share the optimizer state with this one: a part of those of <see cref="Data"/>.</summary>
    public ICollectives Zero { get; }
    /// <summary>Which MPI; null for a job of one rank without a launcher.</summary>
    public MpiImplementation? Implementation { get; }
    /// <summary>Name and version of the MPI library, such as "Open MPI v4.1.4"; empty without one.</summary>
    public string Library { get; } = "";
    /// <summary>From which threads MPI lets itself be called. Below <see cref="MpiThreadLevel.Multiple"/> calls take turns.</summary>
    public MpiThreadLevel Threads { get; } = MpiThreadLevel.Multiple;

    /// <summary>Starts this rank. All ranks of the job call it.</summary>
    /// <param name="options">Options; from the environment when null.</param>
    /// <param name="logger">Where it reports to.</param>
    /// <exception cref="MpiException">The library is missing, does not fit the launcher, or does not start.</exception>
    /// <exception cref="CheckpointException">The sizes of the world do not fit the number of ranks, or differ among ranks.</exception>
    /// <exception cref="RankTimeoutException">Ranks did not start in time.</exception>
    public static MpiJob Start(MpiOptions? options = null, ILogger? logger = null)
    {
        options = (options ?? new MpiOptions()).Resolve(Environment.GetEnvironmentVariable);
        logger ??= NullLogger.Instance;
        if (MpiLaunch.Detect(Environment.GetEnvironmentVariable) is not { } launch)
            return new MpiJob(options, logger);
        MpiImplementation implementation = options.Implementation ?? launch.Implementation
            ?? (MpiLibrary.Exists(MpiImplementation.OpenMpi) ? MpiImplementation.OpenMpi : MpiImplementation.Mpich);
        return new MpiJob(implementation, launch, options, logger);
    }

    /// <summary>
    /// Says that this rank ends with an error, without waiting: the next call that the others make of <see cref="Ranks"/> ends with a
    /// <see cref="RankFailedException"/>, and <see cref="Dispose"/> waits for nobody. End the process with an error code; the launcher then ends the job.
    /// </summary>
    /// <param name="error">What went wrong, for the other ranks' logs.</param>
    public void Fail(string error)
    {
        _failed = true;
        Ranks.Fail(End, error);
    }

    /// <summary>
    /// Ends MPI, when all ranks have come here within the start's time-out. Otherwise MPI is left as it is, and the launcher will see this
    /// process end without having ended MPI, which it takes for a failure.
    /// </summary>
    public void Dispose()
    {
        if (_ended)
            return;
        _ended = true;
        if (_mpi is null || _failed)
            return;
        try
        {
            Ranks.Barrier(End, _options.StartTimeout);
            foreach (MpiCollectives group in _groups)
                group.Dispose();
            if (_ownsMpi)
                EndMpi();
        }
        catch (CheckpointException e)
        {
            _logger.NotFinalized(e);
        }
        _thread!.Dispose();
        _deathNotice?.Dispose();
    }

    private void EndMpi()
    {
        if (_needsQuietEnd)
        {
            Ranks.Barrier(End, _options.StartTimeout);
            MpiPolling.Rest(MpichEnding.Quiet);
        }
        Together("MPI_Finalize", () => { _mpi!.FinalizeMpi(); return 0; });
    }

    private MpiCollectives Group(string name, Func<RankCoordinates, bool> isMember, int color)
    {
        nint part = 0;
        Together("MPI_Comm_split", () => { part = _mpi!.CommSplit(_mpi.Abi.World, color, Ranks.Rank); return 0; });
        _mpi!.ReturnErrors(part);
        int[] members = [.. Enumerable.Range(0, Ranks.Size).Where(rank => isMember(Ranks.World.CoordinatesOf(rank)))];
        var group = new MpiCollectives(_mpi, part, name, members, Ranks.Timeout, Ranks.MarkApart);
        _groups.Add(group);
        return group;
    }

    private nint Copy(nint communicator)
    {
        nint copy = 0;
        Together("MPI_Comm_dup", () => { copy = _mpi!.CommDup(communicator); return 0; });
        _mpi!.ReturnErrors(copy);
        return copy;
    }

    // The only calls that wait for other ranks inside MPI.
    private int Together(string function, Func<int> call) =>
        _thread!.TryRun(call, _options.StartTimeout, out int result) ? result
            : throw new MpiException($"{function} did not return within {_options.StartTimeout.TotalSeconds:0} s: not all ranks came there. See the logs of the other ranks.");
}
