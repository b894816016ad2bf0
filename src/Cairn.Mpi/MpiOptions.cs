using System.Globalization;

namespace Cairn.Mpi;

/// <summary>How a job of ranks is started. What is null is taken from the environment variable named with it, then from the default.</summary>
public sealed class MpiOptions
{
    /// <summary>Which MPI; <c>CAIRN_MPI</c> (<c>openmpi</c>, <c>mpich</c>). Default: that of the launcher.</summary>
    public MpiImplementation? Implementation { get; set; }
    /// <summary>Path of its library; <c>CAIRN_MPI_LIBRARY</c>. Default: the usual names.</summary>
    public string? LibraryPath { get; set; }
    /// <summary>Tensor-parallel ranks; <c>CAIRN_TP</c>. Default 1.</summary>
    public int? Tp { get; set; }
    /// <summary>Pipeline-parallel ranks; <c>CAIRN_PP</c>. Default 1.</summary>
    public int? Pp { get; set; }
    /// <summary>Data-parallel ranks; <c>CAIRN_DP</c>. Default: what remains.</summary>
    public int? Dp { get; set; }
    /// <summary>Ranks that share the optimizer state; <c>CAIRN_ZO</c>. Default 1.</summary>
    public int? Zo { get; set; }
    /// <summary>Longest wait for other ranks; <c>CAIRN_RANK_TIMEOUT</c> in seconds. Default 2 minutes.</summary>
    public TimeSpan? Timeout { get; set; }
    /// <summary>Longest wait for all ranks to start, and to end. Default 1 minute.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromMinutes(1);
    /// <summary>The thread level that MPI is asked for; at least <see cref="MpiThreadLevel.Serialized"/>. Default: all threads at once.</summary>
    public MpiThreadLevel Threads { get; set; } = MpiThreadLevel.Multiple;

    /// <summary>These options with what is null read from the environment.</summary>
    /// <exception cref="CheckpointException">A variable's value cannot be understood.</exception>
    internal MpiOptions Resolve(Func<string, string?> variable)
    {
        if (Threads < MpiThreadLevel.Serialized)
            throw new CheckpointException($"A job saves in the background while it trains, so MPI must allow calls from more than one thread; {Threads} does not.");
        return new MpiOptions
        {
            Implementation = Implementation ?? ImplementationOf(variable("CAIRN_MPI")),
            LibraryPath = LibraryPath ?? variable("CAIRN_MPI_LIBRARY"),
            Tp = Tp ?? Number(variable, "CAIRN_TP"),
            Pp = Pp ?? Number(variable, "CAIRN_PP"),
            Dp = Dp ?? Number(variable, "CAIRN_DP"),
            Zo = Zo ?? Number(variable, "CAIRN_ZO"),
            Timeout = Timeout ?? (Number(variable, "CAIRN_RANK_TIMEOUT") is { } seconds ? TimeSpan.FromSeconds(seconds) : null),
            StartTimeout = StartTimeout,
            Threads = Threads,
        };
    }

    private static MpiImplementation? ImplementationOf(string? name) => name switch
    {
        null or "" => null,
        "openmpi" => MpiImplementation.OpenMpi,
        "mpich" => MpiImplementation.Mpich,
        _ => throw new CheckpointException($"CAIRN_MPI is '{name}'; it can be openmpi or mpich."),
    };

    private static int? Number(Func<string, string?> variable, string name)
    {
        string? text = variable(name);
        if (string.IsNullOrEmpty(text))
            return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 ? number
            : throw new CheckpointException($"{name} is '{text}'; it must be a whole number from 1.");
    }
}
