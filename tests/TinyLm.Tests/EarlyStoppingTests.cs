using System.Globalization;
using System.Text.RegularExpressions;

namespace TinyLm.Tests;

/// <summary>Early stopping and the best model through a kill in the middle of the patience.</summary>
public partial class EarlyStoppingTests
{
    static readonly string[] Command =
    [
        "--width", "16", "--batch-size", "16", "--save-best", "--early-stopping", "2", "--validate-every", "5", "--total-steps", "400", "--evaluate", "0", "--checkpoint-every", "20", "--snapshot-every", "1",
        "--final-digest",
    ];

    [Fact]
    public void Killed_in_the_middle_of_the_patience_it_stops_where_it_would_have_with_the_same_best_and_trains_no_more()
    {
        using var folder = new TemporaryFolder();
        string whole = SampleProcess.Run(folder.Run("whole"), Command);
        Match end = End().Match(whole);
        end.Success.ShouldBeTrue(whole);
        // One evaluation without an improvement is behind it, and the one that would end it is near.
        string killed = folder.Run("killed");
        using (SampleProcess sample = SampleProcess.Start(killed, [.. Command, "--crash-at", $"{Batches(whole) - 2}"]))
            sample.WaitForExit().Code.ShouldNotBe(0);
        string again = SampleProcess.Run(killed, Command);
        End().Match(again).Value.ShouldBe(end.Value);
        Best().Match(again).Value.ShouldBe(Best().Match(whole).Value);
        SampleProcess.LastLine(again).ShouldBe(SampleProcess.LastLine(whole));
        File.ReadAllText(Path.Combine(killed, "best.json")).ShouldBe(File.ReadAllText(Path.Combine(folder.Run("whole"), "best.json")));
        string done = SampleProcess.Run(killed, Command);
        done.ShouldContain(" is done: ");
        SampleProcess.LastLine(done).ShouldBe(SampleProcess.LastLine(whole));
    }

    static long Batches(string output) => long.Parse(Count().Match(output).Groups[1].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex("training ends: .*")]
    private static partial Regex End();

    [GeneratedRegex("The best is step .* whose weights the model holds now")]
    private static partial Regex Best();

    [GeneratedRegex("\n([0-9]+) batches, ")]
    private static partial Regex Count();
}
