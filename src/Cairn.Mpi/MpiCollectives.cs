using System.Runtime.InteropServices;
using Cairn.Mpi.Native;
using Cairn.Ranks;
using Cairn.State;

namespace Cairn.Mpi;

/// <summary>
/// Collectives over a communicator of their own. They are made of single non-blocking messages: MPI's own collectives, once begun, can
/// neither be given up nor say which rank they wait for, and each MPI adds in an order of its own. Large pieces go in waves, which bounds
/// the scratch memory at 64 MiB and a message at what MPI can count.
/// </summary>
internal sealed unsafe class MpiCollectives : ICollectives, IDisposable
{
    private const long MostScratch = 64 << 20, LargestWave = 8 << 20, SmallestWave = 64 << 10;
    // MPI promises tags up to 32,767.
    private const int Tags = 32_000;
    private readonly MpiFunctions _mpi;
    private readonly nint _communicator;
    private readonly string _name;
    private readonly IReadOnlyList<int> _members;
    private readonly TimeSpan _timeout;
    private readonly Action<string> _lost;
    private readonly MpiRequests _requests;
    private readonly long _wave;
    private readonly nint[] _parts;
    private byte* _scratch;
    private int _calls;
    private bool _broken;

    /// <summary>Collectives of a group.</summary>
    /// <param name="mpi">MPI.</param>
    /// <param name="communicator">Its communicator, used for nothing else.</param>
    /// <param name="name">The group in messages, such as "data-parallel group".</param>
    /// <param name="members">The ranks of the job that are its ranks 0, 1, ….</param>
    /// <param name="timeout">Time-out of calls that give none.</param>
    /// <param name="lost">Hears why the group cannot be used any more.</param>
    public MpiCollectives(MpiFunctions mpi, nint communicator, string name, IReadOnlyList<int> members, TimeSpan timeout, Action<string> lost)
    {
        (_mpi, _communicator, _name, _members, _timeout, _lost) = (mpi, communicator, name, members, timeout, lost);
        Rank = mpi.CommRank(communicator);
        Size = mpi.CommSize(communicator);
        _requests = new MpiRequests(mpi);
        _wave = Math.Clamp(MostScratch / Math.Max(1, Size - 1), SmallestWave, LargestWave);
        _parts = new nint[Size];
    }

    public int Rank { get; }
    public int Size { get; }

    public void ReduceScatter(ReadOnlySpan<MemoryPiece> pieces, TensorType type, Reduction reduction, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        if (!PieceSum.Knows(type))
            throw new ArgumentOutOfRangeException(nameof(type), type, "Only F32, F64, F16 and BF16 can be added.");
        if (Size == 1)
            return;
        Begin(pieces);
        if (_scratch is null)
            _scratch = (byte*)NativeMemory.AlignedAlloc((nuint)(_wave * (Size - 1)), 64);
        Deadline deadline = new(timeout ?? _timeout, cancellationToken);
        int width = type.BitsPerElement() / 8, tag = NextTag();
        PieceWaves waves = new(pieces, Size, _wave, width);
        List<MemoryPiece> wave = [];
        while (waves.Next(wave))
        {
            long at = 0;
            foreach (MemoryPiece piece in wave)
            {
                int bytes = (int)(piece.Elements * width);
                if (piece.Owner != Rank)
                {
                    _requests.Send(_mpi.Isend(piece.Address, bytes, piece.Owner, tag, _communicator), piece.Owner);
                    continue;
                }
                for (int rank = 0; rank < Size; rank++)
                {
                    if (rank != Rank)
                        _requests.Receive(_mpi.Irecv(Scratch(rank, at), bytes, rank, tag, _communicator), rank, bytes);
                }
                at += bytes;
            }
            Wait("sum", deadline);
            at = 0;
            foreach (MemoryPiece piece in wave)
            {
                if (piece.Owner != Rank)
                    continue;
                for (int rank = 0; rank < Size; rank++)
                    _parts[rank] = rank == Rank ? piece.Address : Scratch(rank, at);
                PieceSum.Of(_parts, piece.Address, (int)piece.Elements, type, reduction);
                at += piece.Elements * width;
            }
        }
    }

    public void AllGather(ReadOnlySpan<MemoryPiece> pieces, TensorType type, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        if (type.BitsPerElement() < 8)
            throw new ArgumentOutOfRangeException(nameof(type), type, "An element takes less than a byte; copy it as U8.");
        if (Size == 1)
            return;
        Begin(pieces);
        Deadline deadline = new(timeout ?? _timeout, cancellationToken);
        int width = type.BitsPerElement() / 8, tag = NextTag();
        PieceWaves waves = new(pieces, Size, LargestWave, width);
        List<MemoryPiece> wave = [];
        while (waves.Next(wave))
        {
            foreach (MemoryPiece piece in wave)
            {
                int bytes = (int)(piece.Elements * width);
                if (piece.Owner != Rank)
                    _requests.Receive(_mpi.Irecv(piece.Address, bytes, piece.Owner, tag, _communicator), piece.Owner, bytes);
                else
                {
                    for (int i = 1; i < Size; i++)
                    {
                        int rank = (Rank + i) % Size;
                        _requests.Send(_mpi.Isend(piece.Address, bytes, rank, tag, _communicator), rank);
                    }
                }
            }
            Wait("copy", deadline);
        }
    }

    /// <summary>Gives back the scratch memory, unless MPI may still use it.</summary>
    public void Dispose()
    {
        if (!_broken)
            NativeMemory.AlignedFree(_scratch);
        _scratch = null;
    }

    private nint Scratch(int rank, long at) => (nint)(_scratch + (rank < Rank ? rank : rank - 1) * _wave + at);

    private int NextTag() => 1 + _calls++ % Tags;

    private void Begin(ReadOnlySpan<MemoryPiece> pieces)
    {
        if (_broken)
            throw new CheckpointException($"The {_name} cannot be used again: an earlier call ended without all its ranks. End this process; the job goes on from its newest checkpoint when it is started again.");
        foreach (MemoryPiece piece in pieces)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(piece.Elements, nameof(pieces));
            ArgumentOutOfRangeException.ThrowIfNegative(piece.Owner, nameof(pieces));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(piece.Owner, Size, nameof(pieces));
        }
    }

    private void Wait(string what, Deadline deadline)
    {
        // Until all went well it did not: an exception of any kind leaves the group broken.
        _broken = true;
        try
        {
            if (!_requests.Wait(deadline, out int[] unfinished))
            {
                _requests.GiveUp();
                deadline.CancellationToken.ThrowIfCancellationRequested();
                throw RankTimeoutException.Of(_members[Rank], $"{what} over the {_name}", deadline.Waited, [.. unfinished.Select(rank => _members[rank]).Order()]);
            }
        }
        catch (Exception e)
        {
            _lost(e.Message);
            throw;
        }
        _broken = false;
    }
}
