using System.Runtime.InteropServices;
using Cairn.Mpi.Native;
using Cairn.Ranks;

namespace Cairn.Mpi;

/// <summary>Messages as MPI's own, on a communicator that nobody else uses. Only calls that return at once are made.</summary>
/// <param name="mpi">MPI.</param>
/// <param name="communicator">The communicator.</param>
/// <param name="bulk">Carries large messages on another one: here a large message holds up all later ones of its sender, whose order is kept.</param>
internal sealed class MpiTransport(MpiFunctions mpi, nint communicator, MpiTransport? bulk = null) : IRankTransport
{
    private const int Tag = 0;
    private static readonly long Eager = TimeProvider.System.TimestampFrequency / 1000;
    private readonly Lock _gate = new();
    private readonly LinkedList<Pending> _sends = [];
    private readonly LinkedList<Pending> _receives = [];
    private long _lastTraffic;

    public int Rank { get; } = mpi.CommRank(communicator);
    public int Size { get; } = mpi.CommSize(communicator);
    public IRankTransport Bulk => bulk ?? this;

    public void Send(int rank, byte[] message)
    {
        lock (_gate)
        {
            _lastTraffic = TimeProvider.System.GetTimestamp();
            FinishSends();
            GCHandle memory = GCHandle.Alloc(message, GCHandleType.Pinned);
            try
            {
                _sends.AddLast(new Pending(rank, mpi.Isend(memory.AddrOfPinnedObject(), message.Length, rank, Tag, communicator), memory, message));
            }
            catch (MpiException)
            {
                // To a rank that MPI knows to be dead. The message is lost, as it would be on the way; the wait for its answer says who is missing.
                memory.Free();
            }
        }
    }

    public bool HasSent(int rank)
    {
        lock (_gate)
        {
            FinishSends();
            return _sends.All(send => send.Peer != rank);
        }
    }

    public bool TryReceive(out int from, out byte[] message)
    {
        lock (_gate)
        {
            FinishSends();
            while (mpi.Improbe(Tag, communicator, out nint arriving, out int source, out int bytes))
            {
                byte[] buffer = GC.AllocateUninitializedArray<byte>(bytes);
                GCHandle memory = GCHandle.Alloc(buffer, GCHandleType.Pinned);
                _receives.AddLast(new Pending(source, mpi.Imrecv(memory.AddrOfPinnedObject(), bytes, arriving), memory, buffer));
            }
            HashSet<int> incomplete = [];
            for (LinkedListNode<Pending>? node = _receives.First; node is not null; node = node.Next)
            {
                // A long message arrives after a short one that was sent later; the order of each sender is kept.
                if (incomplete.Contains(node.Value.Peer))
                    continue;
                if (!IsOver(node.Value, out bool lost))
                {
                    incomplete.Add(node.Value.Peer);
                    continue;
                }
                node.Value.Memory.Free();
                _receives.Remove(node);
                if (lost)
                    return TryReceive(out from, out message);
                _lastTraffic = TimeProvider.System.GetTimestamp();
                (from, message) = (node.Value.Peer, node.Value.Message);
                return true;
            }
            (from, message) = (0, []);
            return false;
        }
    }

    // For a moment after the last message an answer may be near: then it is looked for at once, giving the processor to others.
    public void Rest(TimeSpan atMost)
    {
        if (TimeProvider.System.GetTimestamp() - Volatile.Read(ref _lastTraffic) < Eager)
            Thread.Yield();
        else
            MpiPolling.Rest(atMost < TimeSpan.FromMilliseconds(1) ? 0 : 1);
    }

    private void FinishSends()
    {
        for (LinkedListNode<Pending>? node = _sends.First; node is not null;)
        {
            LinkedListNode<Pending>? next = node.Next;
            if (IsOver(node.Value, out _))
            {
                node.Value.Memory.Free();
                _sends.Remove(node);
            }
            node = next;
        }
    }

    // MPI reports an error for what a dead rank was to take or to send; the message is lost.
    private bool IsOver(Pending pending, out bool lost)
    {
        lost = false;
        try
        {
            return mpi.Test(pending.Request, out _);
        }
        catch (MpiException)
        {
            return lost = true;
        }
    }

    private sealed record Pending(int Peer, nint Request, GCHandle Memory, byte[] Message);
}
