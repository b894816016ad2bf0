namespace Cairn.Tests;

/// <summary>
/// A fault at the first moment, at the second, and so on until one comes too late to be reached. A run tries one in <see cref="RandomFaults.Stride"/>, from a moment that is drawn.
/// </summary>
internal static class FaultSweep
{
    // Cases mostly wait, each on a thread of its own: those of the pool come slowly when all of them wait.
    private const int AtOnce = 8;

    /// <summary>Runs cases, several at once.</summary>
    /// <param name="most">More moments than any of them has, or as many as are worth it.</param>
    /// <param name="reaches">Runs the case of this moment, and says whether the fault came.</param>
    /// <returns>The first moment tried that was not reached, or <paramref name="most"/> when all were.</returns>
    public static int Run(int most, Func<int, bool> reaches)
    {
        int next = Random.Shared.Next(RandomFaults.Stride) - RandomFaults.Stride, unreached = most;
        Task[] cases = [.. Enumerable.Range(0, AtOnce).Select(_ => Task.Factory.StartNew(Cases, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Task.WhenAll(cases).GetAwaiter().GetResult();
        return unreached;

        void Cases()
        {
            for (int moment = Next(); moment < Volatile.Read(ref unreached); moment = Next())
            {
                if (reaches(moment))
                    continue;
                int seen = Volatile.Read(ref unreached);
                while (moment < seen && Interlocked.CompareExchange(ref unreached, moment, seen) is int now && now != seen)
                    seen = now;
            }
        }

        int Next() => Interlocked.Add(ref next, RandomFaults.Stride);
    }
}
