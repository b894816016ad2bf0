using System.Runtime.InteropServices;
using System.Text;

namespace Cairn.Mpi.Native;

/// <summary>
/// The functions of MPI that Cairn uses. None of them waits for another rank but Init, Finalize, CommDup and CommSplit, which are
/// called through <see cref="MpiThread"/> with a time limit. Errors become exceptions with MPI's text.
/// </summary>
internal sealed unsafe class MpiFunctions(nint library, MpiAbi abi)
{
    private const int ErrorTextLength = 8192;
    private readonly nint _isend = NativeLibrary.GetExport(library, "MPI_Isend"), _irecv = NativeLibrary.GetExport(library, "MPI_Irecv"),
        _improbe = NativeLibrary.GetExport(library, "MPI_Improbe"), _imrecv = NativeLibrary.GetExport(library, "MPI_Imrecv"),
        _test = NativeLibrary.GetExport(library, "MPI_Test"), _getCount = NativeLibrary.GetExport(library, "MPI_Get_count"),
        _cancel = NativeLibrary.GetExport(library, "MPI_Cancel");
    private readonly Lock _turn = new();
    private bool _inTurns = true;

    public MpiAbi Abi { get; } = abi;

    /// <summary>Lets all threads call at once.</summary>
    public void AllowConcurrentCalls() => _inTurns = false;

    public bool Initialized => Flag("MPI_Initialized");
    public bool Finalized => Flag("MPI_Finalized");

    public MpiThreadLevel InitThread(MpiThreadLevel wanted)
    {
        int given;
        Check("MPI_Init_thread", ((delegate* unmanaged<int*, byte***, int, int*, int>)Export("MPI_Init_thread"))(null, null, (int)wanted, &given));
        return (MpiThreadLevel)given;
    }

    public MpiThreadLevel QueryThread()
    {
        int given;
        Check("MPI_Query_thread", ((delegate* unmanaged<int*, int>)Export("MPI_Query_thread"))(&given));
        return (MpiThreadLevel)given;
    }

    public void FinalizeMpi() => Check("MPI_Finalize", ((delegate* unmanaged<int>)Export("MPI_Finalize"))());

    public string LibraryVersion()
    {
        byte* text = stackalloc byte[ErrorTextLength];
        int length;
        Check("MPI_Get_library_version", ((delegate* unmanaged<byte*, int*, int>)Export("MPI_Get_library_version"))(text, &length));
        return Encoding.UTF8.GetString(text, length);
    }

    public nint CommDup(nint communicator)
    {
        nint copy = 0;
        Check("MPI_Comm_dup", ((delegate* unmanaged<nint, nint*, int>)Export("MPI_Comm_dup"))(communicator, &copy));
        return copy;
    }

    public nint CommSplit(nint communicator, int color, int key)
    {
        nint part = 0;
        Check("MPI_Comm_split", ((delegate* unmanaged<nint, int, int, nint*, int>)Export("MPI_Comm_split"))(communicator, color, key, &part));
        return part;
    }

    public void ReturnErrors(nint communicator) =>
        Check("MPI_Comm_set_errhandler", ((delegate* unmanaged<nint, nint, int>)Export("MPI_Comm_set_errhandler"))(communicator, Abi.ErrorsReturn));

    public int CommRank(nint communicator) => Number("MPI_Comm_rank", communicator);

    public int CommSize(nint communicator) => Number("MPI_Comm_size", communicator);

    public nint Isend(nint buffer, int bytes, int to, int tag, nint communicator)
    {
        nint request = 0;
        using Turn turn = new(this);
        Check("MPI_Isend", ((delegate* unmanaged<nint, int, nint, int, int, nint, nint*, int>)_isend)(buffer, bytes, Abi.Bytes, to, tag, communicator, &request));
        return request;
    }

    public nint Irecv(nint buffer, int bytes, int from, int tag, nint communicator)
    {
        nint request = 0;
        using Turn turn = new(this);
        Check("MPI_Irecv", ((delegate* unmanaged<nint, int, nint, int, int, nint, nint*, int>)_irecv)(buffer, bytes, Abi.Bytes, from, tag, communicator, &request));
        return request;
    }

    /// <summary>Takes a message out of the queue of a communicator, if one is there.</summary>
    public bool Improbe(int tag, nint communicator, out nint message, out int from, out int bytes)
    {
        nint found = 0;
        int flag = 0;
        byte* status = stackalloc byte[MpiAbi.StatusLength];
        using Turn turn = new(this);
        Check("MPI_Improbe", ((delegate* unmanaged<int, int, nint, int*, nint*, byte*, int>)_improbe)(Abi.AnySource, tag, communicator, &flag, &found, status));
        (message, from, bytes) = flag != 0 ? (found, *(int*)(status + Abi.StatusSource), Count(status)) : (0, 0, 0);
        return flag != 0;
    }

    public nint Imrecv(nint buffer, int bytes, nint message)
    {
        nint request = 0;
        using Turn turn = new(this);
        Check("MPI_Imrecv", ((delegate* unmanaged<nint, int, nint, nint*, nint*, int>)_imrecv)(buffer, bytes, Abi.Bytes, &message, &request));
        return request;
    }

    /// <summary>Whether the operation is over; its request is then freed.</summary>
    /// <param name="request">The request.</param>
    /// <param name="bytes">Bytes received, for a receive that is over.</param>
    public bool Test(nint request, out int bytes)
    {
        int flag = 0;
        byte* status = stackalloc byte[MpiAbi.StatusLength];
        using Turn turn = new(this);
        Check("MPI_Test", ((delegate* unmanaged<nint*, int*, byte*, int>)_test)(&request, &flag, status));
        bytes = flag != 0 ? Count(status) : 0;
        return flag != 0;
    }

    /// <summary>Asks for the end of a receive. It is over when <see cref="Test"/> says so.</summary>
    public void Cancel(nint request)
    {
        using Turn turn = new(this);
        Check("MPI_Cancel", ((delegate* unmanaged<nint*, int>)_cancel)(&request));
    }

    private int Count(byte* status)
    {
        int count;
        Check("MPI_Get_count", ((delegate* unmanaged<byte*, nint, int*, int>)_getCount)(status, Abi.Bytes, &count));
        return count;
    }

    private int Number(string function, nint communicator)
    {
        int number;
        Check(function, ((delegate* unmanaged<nint, int*, int>)Export(function))(communicator, &number));
        return number;
    }

    private bool Flag(string function)
    {
        int flag;
        Check(function, ((delegate* unmanaged<int*, int>)Export(function))(&flag));
        return flag != 0;
    }

    private void Check(string function, int code)
    {
        if (code == 0)
            return;
        byte* text = stackalloc byte[ErrorTextLength];
        int length = 0;
        int unknown = ((delegate* unmanaged<int, byte*, int*, int>)Export("MPI_Error_string"))(code, text, &length);
        string reason = unknown == 0 ? Encoding.UTF8.GetString(text, length) : "unknown error";
        throw new MpiException($"{function} failed: {reason} (code {code}).") { Code = code };
    }

    private nint Export(string function) => NativeLibrary.GetExport(library, function);

    // One call at a time, where MPI asks for that. No call waits for another rank while it has the turn.
    private readonly ref struct Turn : IDisposable
    {
        private readonly Lock? _held;

        public Turn(MpiFunctions owner)
        {
            _held = owner._inTurns ? owner._turn : null;
            _held?.Enter();
        }

        public void Dispose() => _held?.Exit();
    }
}
