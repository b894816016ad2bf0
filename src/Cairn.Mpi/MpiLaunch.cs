using System.Globalization;

namespace Cairn.Mpi;

/// <summary>What the environment says about how this process was launched.</summary>
/// <param name="Implementation">The MPI whose launcher it was, where that is certain.</param>
/// <param name="Size">Number of processes that were launched.</param>
/// <param name="By">The launcher, for messages.</param>
public sealed record MpiLaunch(MpiImplementation? Implementation, int Size, string By)
{
    /// <summary>
    /// Reads the environment. Open MPI's <c>mpirun</c> sets <c>OMPI_COMM_WORLD_SIZE</c>; MPICH's <c>mpiexec</c> sets <c>PMI_SIZE</c>
    /// and <c>MPI_LOCALNRANKS</c>. Slurm sets <c>SLURM_NTASKS</c> and <c>SLURM_STEP_NUM_TASKS</c>, and, by its plug-in, <c>PMIX_RANK</c>
    /// or <c>PMI_RANK</c>; which MPI is to be used then stands in <c>SLURM_MPI_TYPE</c> at best.
    /// </summary>
    /// <param name="variable">Gives a variable's value, or null.</param>
    /// <returns>Null when no launcher started this process: it runs as one rank.</returns>
    public static MpiLaunch? Detect(Func<string, string?> variable)
    {
        ArgumentNullException.ThrowIfNull(variable);
        if (Number(variable, "OMPI_COMM_WORLD_SIZE") is { } open)
            return new MpiLaunch(MpiImplementation.OpenMpi, open, "Open MPI's mpirun");
        bool underSlurm = variable("SLURM_PROCID") is not null;
        if (!underSlurm && Number(variable, "PMI_SIZE") is { } mpich)
            return new MpiLaunch(MpiImplementation.Mpich, mpich, "MPICH's mpiexec");
        // A batch script and what it runs without srun see SLURM_PROCID too; only steps of srun have a task count of their own.
        if (underSlurm && Number(variable, "SLURM_STEP_NUM_TASKS") is { } tasks)
        {
            bool pmix = variable("PMIX_RANK") is not null, pmi = variable("PMI_RANK") is not null || variable("PMI_FD") is not null;
            if (pmix || pmi)
                return new MpiLaunch(pmix ? MpiImplementation.OpenMpi : MpiImplementation.Mpich, tasks, $"srun --mpi={(pmix ? "pmix" : "pmi2")}");
            if (tasks > 1)
                return new MpiLaunch(null, tasks, "srun without an MPI plug-in");
        }
        return null;
    }

    private static int? Number(Func<string, string?> variable, string name) =>
        int.TryParse(variable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 ? number : null;
}
