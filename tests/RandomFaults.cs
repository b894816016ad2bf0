namespace Cairn.Tests;

/// <summary>
/// How often a test of random kills, cuts and losses tries. Every run draws anew, so that few in each add up to many. A module that is run by itself, while something is built, tries a handful; the suite
/// (<c>CAIRN_FAULTS=some</c>, which <c>eng/run-tests.sh</c> sets) tries more, and <c>CAIRN_FAULTS=all ./test.sh</c> all of them at once, as before a release.
/// </summary>
internal static class RandomFaults
{
    private const int Fewer = 4;

    private static readonly string? Asked = Environment.GetEnvironmentVariable("CAIRN_FAULTS");

    /// <summary>Whether all are asked for.</summary>
    public static bool AreAll { get; } = Asked == "all";

    /// <summary>Of how many moments of a sweep one is tried.</summary>
    public static int Stride { get; } = AreAll ? 1 : Asked == "some" ? 3 : 3 * Fewer;

    /// <summary>Skips what takes a minute of a whole machine, and of which the rest of the suite sees the most, unless all is asked for.</summary>
    public static void RequireAll() => Assert.SkipUnless(AreAll, "It takes long. CAIRN_FAULTS=all ./test.sh runs it.");

    /// <summary>Of the cases of a sweep over all moments one in <see cref="Stride"/>, from one that is drawn; each when all are asked for.</summary>
    public static IEnumerable<T> Some<T>(IEnumerable<T> cases)
    {
        int drawn = Random.Shared.Next(Stride);
        return cases.Where((_, i) => i % Stride == drawn);
    }

    /// <summary>How often to try.</summary>
    /// <param name="some">In every run of the suite; a quarter in a run of the module by itself.</param>
    /// <param name="all">When all are asked for.</param>
    public static int Count(int some, int all) => AreAll ? all : Asked == "some" ? some : Math.Max(1, some / Fewer);
}
