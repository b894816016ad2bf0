using System.Runtime.InteropServices;

namespace Cairn.Mpi.Native;

/// <summary>
/// What differs between the binary interfaces. Handles are passed as machine words: Open MPI's are addresses of what it exports,
/// MPICH's are 32-bit numbers, which a callee that expects an int reads from the lower half. Sources: <c>mpi.h</c> of Open MPI 4.1
/// and of MPICH 4.0 (the ABI that MPICH promises since 3.1).
/// </summary>
internal sealed record MpiAbi(
    nint World, nint NullCommunicator, nint NullRequest, nint Bytes, nint ErrorsReturn, int AnySource, int StatusSource, int HandleSize)
{
    /// <summary>Bytes kept for an MPI_Status; the real ones take 20 and 24.</summary>
    public const int StatusLength = 64;
    public const int AnyTag = -1;
    public const int Undefined = -32766;

    public static MpiAbi Of(MpiImplementation implementation, nint library)
    {
        nint Symbol(string name) => NativeLibrary.GetExport(library, name);
        return implementation switch
        {
            MpiImplementation.OpenMpi => new MpiAbi(
                Symbol("ompi_mpi_comm_world"), Symbol("ompi_mpi_comm_null"), Symbol("ompi_request_null"), Symbol("ompi_mpi_byte"), Symbol("ompi_mpi_errors_return"),
                AnySource: -1, StatusSource: 0, HandleSize: 8),
            _ => new MpiAbi(
                0x44000000, 0x04000000, 0x2c000000, 0x4c00010d, 0x54000001,
                AnySource: -2, StatusSource: 8, HandleSize: 4),
        };
    }
}
