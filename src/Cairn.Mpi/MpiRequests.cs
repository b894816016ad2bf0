using System.Runtime.InteropServices;
using Cairn.Mpi.Native;
using Cairn.Ranks;

namespace Cairn.Mpi;

/// <summary>Sends and receives that are under way, and who is at their other end.</summary>
internal sealed class MpiRequests(MpiFunctions mpi)
{
    private const int Sent = -1;
    // MPI's code, both libraries: MPI_ERR_TRUNCATE is class 15 in Open MPI and 14 in MPICH, so the text decides.
    private const string Truncated = "truncate";
    private static readonly TimeSpan Eager = TimeSpan.FromMilliseconds(5);
    private readonly List<Request> _open = [];

    public void Send(nint request, int rank) => _open.Add(new Request(request, rank, Sent));

    public void Receive(nint request, int rank, int bytes) => _open.Add(new Request(request, rank, bytes));

    /// <summary>Waits until all are over.</summary>
    /// <param name="deadline">How long.</param>
    /// <param name="unfinished">Otherwise, whom this rank waited for.</param>
    /// <returns>False when the time was over before.</returns>
    public bool Wait(Deadline deadline, out int[] unfinished)
    {
        TimeSpan start = deadline.Waited;
        for (int rounds = 0; ; rounds++)
        {
            int kept = 0;
            for (int i = 0; i < _open.Count; i++)
            {
                if (!IsOver(_open[i]))
                    _open[kept++] = _open[i];
            }
            _open.RemoveRange(kept, _open.Count - kept);
            if (kept == 0)
            {
                unfinished = [];
                return true;
            }
            if (deadline.IsOver)
            {
                unfinished = [.. _open.Select(request => request.Rank).Distinct()];
                return false;
            }
            // Other ranks compute for a while: after a moment of asking again and again the processor is left to them.
            if (deadline.Waited - start < Eager)
                Thread.Yield();
            else
                MpiPolling.Rest(1);
        }
    }

    /// <summary>Takes back the receives, so that MPI writes no more, and forgets the rest.</summary>
    public void GiveUp()
    {
        foreach (Request request in _open)
        {
            if (request.Bytes == Sent)
                continue;
            try
            {
                mpi.Cancel(request.Handle);
                mpi.Test(request.Handle, out _);
            }
            catch (MpiException)
            {
                // It failed by itself: then it is over as well.
            }
        }
        _open.Clear();
    }

    private bool IsOver(Request request)
    {
        int bytes;
        try
        {
            if (!mpi.Test(request.Handle, out bytes))
                return false;
        }
        catch (MpiException e) when (request.Bytes != Sent && e.Message.Contains(Truncated, StringComparison.OrdinalIgnoreCase))
        {
            throw OutOfStep(request, "more");
        }
        if (request.Bytes != Sent && bytes != request.Bytes)
            throw OutOfStep(request, $"{bytes} bytes");
        return true;
    }

    private static RankOrderException OutOfStep(Request request, string found) =>
        new($"Member {request.Rank} of the group sent {found} where this rank has a piece of {request.Bytes} bytes: all ranks must make the same calls in the same order, with tensors of the same sizes.")
        {
            Expected = $"{request.Bytes} bytes",
            Found = found,
        };

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Request(nint Handle, int Rank, int Bytes);
}
