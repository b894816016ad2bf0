namespace Cairn.Ranks;

/// <summary>
/// Carries messages between the ranks of a job: all that a <see cref="RankGroup"/> needs of MPI or of anything else. Messages
/// between two ranks arrive in the order they were sent, whole, or not at all. Nothing here waits for another rank, and all of it
/// may be called by several threads at once.
/// </summary>
public interface IRankTransport
{
    /// <summary>This rank, from 0.</summary>
    int Rank { get; }
    /// <summary>Number of ranks.</summary>
    int Size { get; }

    /// <summary>Starts to send; returns at once, whatever became of the other rank.</summary>
    /// <param name="rank">Another rank.</param>
    /// <param name="message">The bytes; never changed afterwards by the caller.</param>
    void Send(int rank, byte[] message);

    /// <summary>Whether all that was sent to that rank has left this process, so that this rank need not stay for it to arrive.</summary>
    bool HasSent(int rank);

    /// <summary>Takes the next message that has arrived, if there is one.</summary>
    bool TryReceive(out int from, out byte[] message);

    /// <summary>Rests until a message may have arrived, at most this long.</summary>
    void Rest(TimeSpan atMost);

    /// <summary>A way of its own, between the same ranks, for messages that are large and can wait: no message here waits for one there. This one itself where there is no other.</summary>
    IRankTransport Bulk => this;
}
