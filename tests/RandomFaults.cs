namespace Cairn.Tests;

/// <summary>
/// How often a test of random kills, cuts and losses tries. Every run draws anew, so that few in each add up to many; <c>CAIRN_FAULTS=all ./test.sh</c> asks for all of them at once, as before a
/// release.
/// </summary>
internal static class RandomFaults
{
    private const int Stride = 3;

    /// <summary>Whether all are asked for.</summary>
    public static bool AreAll { get; } = Environment.GetEnvironmentVariable("CAIRN_FAULTS") == "all";

    /// <summary>Skips what takes a minute of a whole machine, and of which the rest of the suite sees the most, unless all is asked for.</summary>
    public static void RequireAll() => Assert.SkipUnless(AreAll, "It takes long. CAIRN_FAULTS=all ./test.sh runs it.");

    /// <summary>Of the cases of a sweep over all moments every third, from one that is drawn; each when all are asked for.</summary>
    public static IEnumerable<T> Some<T>(IEnumerable<T> cases)
    {
        int drawn = Random.Shared.Next(Stride);
        return AreAll ? cases : cases.Where((_, i) => i % Stride == drawn);
    }

    /// <summary>How often to try.</summary>
    /// <param name="few">In every run of the suite.</param>
    /// <param name="all">When all are asked for.</param>
    public static int Count(int few, int all) => AreAll ? all : few;
}
