namespace Cairn.Tests;

/// <summary>
/// How often a test of random kills, cuts and losses tries. Every run draws anew, so that few in each add up to many; <c>CAIRN_FAULTS=all ./test.sh</c> asks for all of them at once, as before a
/// release.
/// </summary>
internal static class RandomFaults
{
    /// <summary>Whether all are asked for.</summary>
    public static bool AreAll { get; } = Environment.GetEnvironmentVariable("CAIRN_FAULTS") == "all";

    /// <summary>How often to try.</summary>
    /// <param name="few">In every run of the suite.</param>
    /// <param name="all">When all are asked for.</param>
    public static int Count(int few, int all) => AreAll ? all : few;
}
