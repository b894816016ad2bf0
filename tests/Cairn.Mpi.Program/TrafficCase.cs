using System.Diagnostics;
using Cairn.Ranks;

namespace Cairn.Mpi.Program;

/// <summary>
/// Large sends beside small calls: <c>traffic PIECES</c>. Each rank sends so many pieces to the rank two after it, on a thread of its own, while all ranks meet again and again as at the ends of
/// batches. The first rank says how often they met before and meanwhile, and how long it took.
/// </summary>
internal static class TrafficCase
{
    private const int CallsAlone = 300;

    public static void Run(MpiJob job, int pieces)
    {
        RankGroup channel = job.Ranks.Channel(1);
        long[] lengths = [(long)pieces * RankPiece.MostBytes];
        byte[] piece = new byte[RankPiece.MostBytes];
        Say(job, "alone", Meet(job, calls => calls >= CallsAlone));
        long started = Stopwatch.GetTimestamp();
        Exception? error = null;
        var sending = new Thread(() => error = channel.Exchange(1L << 32, [new RankSending((job.Ranks.Rank + 2) % 4, lengths, _ => piece)], [new RankTaking((job.Ranks.Rank + 2) % 4, lengths, static (_, _) => { })],
            null, job.Ranks.Timeout, static () => { }));
        sending.Start();
        List<double> meanwhile = Meet(job, _ => !sending.IsAlive);
        Say(job, $"sends of {pieces} pieces took {Stopwatch.GetElapsedTime(started).TotalSeconds:0.00} s, meanwhile", meanwhile);
        sending.Join();
        error.ShouldBeNull();
    }

    // Until all ranks agree that it is enough.
    private static List<double> Meet(MpiJob job, Func<int, bool> isEnough)
    {
        var took = new List<double>();
        bool isOver;
        do
        {
            long began = Stopwatch.GetTimestamp();
            isOver = job.Ranks.Agree("end of batch", [isEnough(took.Count) ? (byte)1 : (byte)0], static parts => [parts.Min(part => part.Span[0])])[0] != 0;
            took.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }
        while (!isOver);
        return took;
    }

    private static void Say(MpiJob job, string when, List<double> took)
    {
        if (!job.Ranks.IsFirst)
            return;
        took.Sort();
        Console.WriteLine($"{when}: {took.Count} calls, half within {took[took.Count / 2]:0.00} ms, 99 % within {took[took.Count * 99 / 100]:0.00} ms, all within {took[^1]:0.00} ms");
    }
}
