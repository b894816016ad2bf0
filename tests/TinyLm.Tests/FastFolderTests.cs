using System.Globalization;
using System.Text.RegularExpressions;
using Cairn.Opening;
using Cairn.Stores;

namespace TinyLm.Tests;

/// <summary>The sample with a fast folder in front of its run.</summary>
public partial class FastFolderTests
{
    const int MostLines = 16;

    static readonly int Kills = RandomFaults.Count(some: 3, all: 20);

    internal static readonly string[] Command = ["--total-steps", $"{15 * Kills}", "--checkpoint-every", "10", "--snapshot-every", "1", "--overflow-at", "20,21,40", "--log-every", "1", "--final-digest"];

    [Fact]
    public async Task Killed_again_and_again_and_restarted_by_the_same_command_it_ends_as_an_uninterrupted_run_without_one()
    {
        using var folder = new TemporaryFolder();
        string expected = SampleProcess.LastLine(SampleProcess.Run(folder.Run("whole"), Command));
        using var fast = new TemporaryFolder();
        await KillAsync(folder.Run("killed"), fast.Run("fast"), expected);
        var files = new LocalFileSystem(folder.Run("killed"));
        CatalogEntry[] checkpoints = [.. Catalog.Read(files).Entries.Where(entry => entry.Kind == Cairn.Policies.SaveKind.Checkpoint)];
        checkpoints.ShouldAllBe(entry => Verifier.Verify(files, entry, default) == null);
        // No checkpoint was left on the way, whatever was killed.
        checkpoints.Skip(1).Select(entry => entry.Step).ShouldBe(Enumerable.Range(1, (15 * Kills - 3) / 10).Select(n => 10L * n).Reverse());
        checkpoints[0].Marker!.Reason.ShouldBe(Cairn.Policies.SaveReason.Final);
        // A run that is over leaves nothing in it.
        Directory.GetFiles(fast.Run("fast"), "*.step", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    /// <summary>Kills the sample at random moments: no restart may come back to less than was said to be recoverable.</summary>
    internal static async Task KillAsync(string run, string fast, string expected)
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        string[] command = [.. Command, "--fast", fast];
        long known = 0;
        for (int kill = 0; kill < Kills; kill++)
        {
            using SampleProcess sample = SampleProcess.Start(run, command);
            // Each life saves once, and ends anywhere after that.
            await sample.WaitForAsync("\nRecoverable ");
            await sample.WaitForAsync("\n", sample.Output.Count(letter => letter == '\n') + random.Next(MostLines));
            sample.Kill();
            string story = $"seed {seed}, kill {kill}, {known} was recoverable:\n{sample.Output}";
            sample.Output.ShouldNotContain("Passed over", Case.Sensitive, story);
            sample.Output.Contains("resumes at step", StringComparison.Ordinal).ShouldBe(kill > 0, story);
            if (kill > 0)
                Steps(Resumed().Matches(sample.Output)).Single().ShouldBeGreaterThanOrEqualTo(known, story);
            known = Steps(Said().Matches(sample.Output)).Max();
        }
        string output = SampleProcess.Run(run, command);
        Steps(Resumed().Matches(output)).Single().ShouldBeGreaterThanOrEqualTo(known, $"seed {seed}:\n{output}");
        SampleProcess.LastLine(output).ShouldBe(expected, $"seed {seed}:\n{output}");
    }

    static IEnumerable<long> Steps(MatchCollection matches) => matches.Select(match => long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"resumes at step (\d+)")]
    private static partial Regex Resumed();

    [GeneratedRegex(@"\n(?:Recoverable|Durable|Saved) \w+ (\d+)[ :]")]
    private static partial Regex Said();
}
