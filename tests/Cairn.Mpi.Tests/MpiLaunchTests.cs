namespace Cairn.Mpi.Tests;

/// <summary>The environments are those that the launchers were seen to set.</summary>
public class MpiLaunchTests
{
    [Fact]
    public void Without_a_launcher_there_is_none() => Detect().ShouldBeNull();

    [Fact]
    public void Mpirun_of_Open_MPI() =>
        Detect("OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_RANK=1", "PMIX_RANK=1").ShouldBe(new MpiLaunch(MpiImplementation.OpenMpi, 4, "Open MPI's mpirun"));

    [Fact]
    public void Mpiexec_of_MPICH() =>
        Detect("PMI_SIZE=3", "PMI_RANK=0", "PMI_FD=6", "MPI_LOCALNRANKS=3").ShouldBe(new MpiLaunch(MpiImplementation.Mpich, 3, "MPICH's mpiexec"));

    [Fact]
    public void Mpirun_within_a_job_of_Slurm_counts_and_not_Slurm() =>
        Detect("SLURM_PROCID=0", "SLURM_NTASKS=8", "OMPI_COMM_WORLD_SIZE=4").ShouldNotBeNull().Size.ShouldBe(4);

    [Theory]
    [InlineData("PMIX_RANK=1", MpiImplementation.OpenMpi)]
    [InlineData("PMI_RANK=1", MpiImplementation.Mpich)]
    public void Srun_with_a_plug_in(string variable, MpiImplementation mpi)
    {
        MpiLaunch launch = Detect("SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2", "PMI_SIZE=2", variable).ShouldNotBeNull();
        launch.Implementation.ShouldBe(mpi);
        launch.Size.ShouldBe(2);
    }

    [Fact]
    public void Srun_of_several_tasks_without_a_plug_in_is_not_taken_for_one_rank()
    {
        MpiLaunch launch = Detect("SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2").ShouldNotBeNull();
        launch.Implementation.ShouldBeNull();
        launch.Size.ShouldBe(2);
    }

    [Fact]
    public void A_batch_script_and_a_step_of_one_task_are_one_rank()
    {
        Detect("SLURM_PROCID=0", "SLURM_NTASKS=8").ShouldBeNull();
        Detect("SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=1").ShouldBeNull();
    }

    private static MpiLaunch? Detect(params string[] variables)
    {
        Dictionary<string, string> environment = variables.Select(entry => entry.Split('=')).ToDictionary(entry => entry[0], entry => entry[1], StringComparer.Ordinal);
        return MpiLaunch.Detect(environment.GetValueOrDefault);
    }
}
