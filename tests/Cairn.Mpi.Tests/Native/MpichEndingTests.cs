using Cairn.Mpi.Native;

namespace Cairn.Mpi.Tests.Native;

public class MpichEndingTests
{
    [Theory]
    [InlineData("MPICH Version:\t4.0.2\nMPICH Release date:\tThu Apr  7 12:34:45 CDT 2022\nMPICH Device:\tch4:ucx\n", true)]
    [InlineData("MPICH Version:\t4.1.3\nMPICH Device:\tch4:ucx\n", true)]
    [InlineData("MPICH Version:\t4.2.0\nMPICH Device:\tch4:ucx\n", false)]
    [InlineData("MPICH Version:\t4.10\nMPICH Device:\tch4:ucx\n", false)]
    [InlineData("MPICH Version:\t4.0.2\nMPICH Device:\tch4:ofi\n", false)]
    [InlineData("MPICH Version:\tUnknown\nMPICH Device:\tch4:ucx\n", false)]
    [InlineData("Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022\0", false)]
    public void Quiet_is_what_MPICH_over_UCX_needs_before_4_2(string library, bool needed) => MpichEnding.NeedsQuiet(library).ShouldBe(needed);
}
