namespace Cairn.Mpi.Tests;

/// <summary>Jobs under the real launchers of both MPIs.</summary>
public class JobTests
{
    private const string Program = "Cairn.Mpi.Program";

    [Theory]
    [InlineData(MpiImplementation.OpenMpi)]
    [InlineData(MpiImplementation.Mpich)]
    public void Four_ranks_agree_as_threads_do(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        Well(MpiRun.Run(mpi, 4, Program, ["groups"]), 4);
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi)]
    [InlineData(MpiImplementation.Mpich)]
    public void Ranks_go_on_meeting_while_they_send_one_another_much(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        Well(MpiRun.Run(mpi, 4, Program, ["traffic", "400"]), 4).ShouldContain("sends of 400 pieces");
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi, 2)]
    [InlineData(MpiImplementation.OpenMpi, 4)]
    [InlineData(MpiImplementation.Mpich, 3)]
    [InlineData(MpiImplementation.Mpich, 4)]
    public void Sums_and_copies_are_right_to_the_bit(MpiImplementation mpi, int ranks)
    {
        MpiRun.Require(mpi);
        Well(MpiRun.Run(mpi, ranks, Program, ["collectives"]), ranks);
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi)]
    [InlineData(MpiImplementation.Mpich)]
    public void Calls_take_turns_where_MPI_allows_one_at_a_time(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        string output = Well(MpiRun.Run(mpi, 2, Program, ["describe", "serialized"]), 2);
        output.ShouldContain(", Serialized,");
        Well(MpiRun.Run(mpi, 4, Program, ["groups", "serialized"]), 4);
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi, "Open MPI v")]
    [InlineData(MpiImplementation.Mpich, "MPICH Version")]
    public void A_rank_knows_its_MPI_and_its_place(MpiImplementation mpi, string library)
    {
        MpiRun.Require(mpi);
        string output = Well(MpiRun.Run(mpi, 4, Program, ["describe"], [("CAIRN_TP", "2"), ("CAIRN_ZO", "2")]), 4);
        output.ShouldContain(mpi.ToString());
        output.ShouldContain(library);
        output.ShouldContain(", Multiple,");
        output.ShouldContain("rank 0 of 4, a world of tp 2, pp 1, dp 2, zo 2, RankCoordinates { Tp = 0, Pp = 0, Dp = 0, Zo = 0 }, groups of 2 1 2 2 at 0 0 0 0");
        output.ShouldContain("rank 3 of 4, a world of tp 2, pp 1, dp 2, zo 2, RankCoordinates { Tp = 1, Pp = 0, Dp = 1, Zo = 1 }, groups of 2 1 2 2 at 1 0 1 1");
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi)]
    [InlineData(MpiImplementation.Mpich)]
    public void A_null_reference_is_still_an_exception(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        Well(MpiRun.Run(mpi, 1, Program, ["null"]), 1);
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi, "die")]
    [InlineData(MpiImplementation.OpenMpi, "die-in-sum")]
    [InlineData(MpiImplementation.Mpich, "die")]
    [InlineData(MpiImplementation.Mpich, "die-in-sum")]
    public void Those_who_outlive_a_killed_rank_name_it_in_time(MpiImplementation mpi, string how)
    {
        MpiRun.Require(mpi);
        (_, string output) = MpiRun.RunOn(mpi, 4, Program, how);
        foreach (int rank in new[] { 0, 1, 3 })
            output.ShouldContain($"rank {rank} misses 2");
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi)]
    [InlineData(MpiImplementation.Mpich)]
    public void The_error_of_a_rank_reaches_the_others_and_it_waits_for_nobody(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        (_, string output) = MpiRun.RunOn(mpi, 3, Program, "fail");
        output.ShouldContain("rank 1 left promptly");
        output.ShouldContain("rank 0 hears: work: rank 1 failed: the disk is full");
        output.ShouldContain("rank 2 hears: work: rank 1 failed: the disk is full");
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi)]
    [InlineData(MpiImplementation.Mpich)]
    public void By_itself_the_launcher_ends_the_job_when_a_rank_is_killed(MpiImplementation mpi)
    {
        MpiRun.Require(mpi);
        (int code, string output) = MpiRun.Run(mpi, 4, Program, ["die"]);
        code.ShouldNotBe(0, output);
        output.ShouldNotContain("is well");
    }

    [Fact]
    public void Without_a_launcher_it_is_one_rank_and_needs_no_MPI()
    {
        string output = Well(MpiRun.Alone(Program, ["describe"], ("CAIRN_MPI_LIBRARY", "/nowhere/libmpi.so")), 1);
        output.ShouldContain("no MPI, , Multiple, rank 0 of 1, a world of tp 1, pp 1, dp 1, zo 1");
    }

    [Fact]
    public void Sizes_that_need_more_ranks_than_there_are_are_refused()
    {
        (int code, string output) = MpiRun.Alone(Program, ["describe"], ("CAIRN_TP", "2"));
        code.ShouldBe(1);
        output.ShouldContain("1 ranks cannot be a world of tp 2");
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi, "openmpi-bin")]
    [InlineData(MpiImplementation.Mpich, "mpich")]
    public void A_missing_library_is_named_with_its_package(MpiImplementation mpi, string package)
    {
        MpiRun.Require(mpi);
        (int code, string output) = MpiRun.Run(mpi, 1, Program, ["describe"], [("CAIRN_MPI_LIBRARY", "/nowhere/libmpi.so")]);
        code.ShouldNotBe(0);
        output.ShouldContain("/nowhere/libmpi.so");
        output.ShouldContain($"apt-get install {package}");
    }

    [Theory]
    [InlineData(MpiImplementation.OpenMpi, "mpich")]
    [InlineData(MpiImplementation.Mpich, "openmpi")]
    public void A_launcher_of_another_MPI_is_found_out(MpiImplementation launcher, string library)
    {
        MpiRun.Require(MpiImplementation.OpenMpi);
        MpiRun.Require(MpiImplementation.Mpich);
        (int code, string output) = MpiRun.Run(launcher, 2, Program, ["describe"], [("CAIRN_MPI", library)]);
        code.ShouldNotBe(0);
        output.ShouldContain("launcher and library are of different MPIs");
    }

    private static string Well((int Code, string Output) job, int ranks)
    {
        job.Code.ShouldBe(0, job.Output);
        for (int rank = 0; rank < ranks; rank++)
            job.Output.ShouldContain($"rank {rank} is well");
        return job.Output;
    }
}
