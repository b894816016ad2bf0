namespace Cairn.Mpi.Native;

/// <summary>
/// What MPI_Finalize of MPICH before 4.2 needs over UCX. It closes the connection to each rank, for which that rank has to answer, and
/// then waits for all ranks without answering any more (pmodels/mpich, pull request 6596). A rank that had its own answer while the other
/// one still asked MPI for messages leaves the other one waiting for ever. So all ranks stop asking first, for long enough that the last
/// one has seen that all came to the end; then each sends its questions before it can answer any.
/// </summary>
internal static class MpichEnding
{
    /// <summary>Milliseconds in which no rank asks MPI for anything between the last message and MPI_Finalize.</summary>
    public const int Quiet = 500;

    private const string VersionName = "MPICH Version:";

    /// <summary>Whether the library, as MPI_Get_library_version describes it, is one of them.</summary>
    public static bool NeedsQuiet(string library) =>
        library.StartsWith(VersionName, StringComparison.Ordinal) && library.Contains("ch4:ucx", StringComparison.Ordinal)
        && Version.TryParse(library.Split('\n')[0][VersionName.Length..].Trim(), out Version? version) && version < new Version(4, 2);
}
