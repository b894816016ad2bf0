using System.Runtime.ExceptionServices;

namespace Cairn.Ranks;

/// <summary>
/// Work that all ranks do together, phase by phase. An error of one rank does not keep it from the next exchange: there all ranks hear of it, and
/// the work ends for all. Ends after the first error.
/// </summary>
/// <param name="ranks">The ranks.</param>
/// <param name="purpose">What it is about, the same text on all ranks.</param>
/// <param name="timeout">Longest wait for another rank.</param>
internal sealed class CollectiveWork(RankGroup ranks, string purpose, TimeSpan timeout)
{
    private const byte Good = 0, Bad = 1, Changed = 2;

    private Exception? _failure;

    /// <summary>Does this rank's part; its error is kept for the next exchange, and until then nothing more is done.</summary>
    public void Try(Action work)
    {
        if (_failure is not null)
            return;
        try
        {
            work();
        }
        // With ranks that are missing or elsewhere nothing more can be agreed on.
        catch (Exception e) when (e is not (RankTimeoutException or RankOrderException))
        {
            _failure = e;
        }
    }

    /// <summary>Brings this rank's result to the first rank, which decides from all of them.</summary>
    /// <param name="phase">Which phase ends here, the same text on all ranks.</param>
    /// <param name="part">Writes this rank's result.</param>
    /// <param name="decide">Called on the first rank, when no rank has an error.</param>
    /// <returns>The decision.</returns>
    /// <exception cref="RankFailedException">Another rank had an error. This rank's own is thrown as it is.</exception>
    /// <exception cref="CopyChangedException">The error was this one, on whichever rank: what all may try again, all hear of.</exception>
    /// <exception cref="RankTimeoutException">Ranks did not answer in time.</exception>
    public ReadOnlyMemory<byte> Agree(string phase, Action<BinaryWriter> part, Func<IReadOnlyList<ReadOnlyMemory<byte>>, byte[]> decide)
    {
        byte[] message = RankMessages.Write(to =>
        {
            to.Write(_failure is null ? Good : StatusOf(_failure));
            if (_failure is null)
                part(to);
            else
                to.Write(_failure.Message);
        });
        byte[] decision = ranks.Size == 1 ? Decide([message], decide) : ranks.Agree($"{purpose}: {phase}", message, parts => Decide(parts, decide), timeout);
        if (decision[0] == Good)
            return decision.AsMemory(1);
        (int rank, string error) = RankMessages.Read(decision.AsMemory(1), from => (from.ReadInt32(), from.ReadString()));
        if (rank == ranks.Rank && _failure is not null)
            ExceptionDispatchInfo.Throw(_failure);
        if (decision[0] == Changed)
            throw new CopyChangedException($"{purpose}: rank {rank}: {error}") { Rank = rank };
        throw new RankFailedException($"{purpose}: rank {rank} failed: {error}") { Rank = rank, Purpose = purpose, Error = error };
    }

    /// <summary>As above, when there is nothing to decide.</summary>
    public void Agree(string phase) => Agree(phase, static _ => { }, static _ => []);

    private byte[] Decide(IReadOnlyList<ReadOnlyMemory<byte>> parts, Func<IReadOnlyList<ReadOnlyMemory<byte>>, byte[]> decide)
    {
        for (int rank = 0; rank < parts.Count; rank++)
        {
            if (parts[rank].Span[0] is not Good and var status)
                return Failed(status, rank, RankMessages.Read(parts[rank][1..], from => from.ReadString()));
        }
        try
        {
            return [Good, .. decide([.. parts.Select(part => part[1..])])];
        }
        catch (Exception e)
        {
            _failure = e;
            return Failed(StatusOf(e), ranks.Rank, e.Message);
        }
    }

    private static byte StatusOf(Exception failure) => failure is CopyChangedException ? Changed : Bad;

    private static byte[] Failed(byte status, int rank, string error) => [status, .. RankMessages.Write(to =>
    {
        to.Write(rank);
        to.Write(error);
    })];
}
