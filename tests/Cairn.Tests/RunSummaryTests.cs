namespace Cairn.Tests;

/// <summary>What the end of a run says of saves that there are not.</summary>
public sealed class RunSummaryTests
{
    [Theory]
    [InlineData(0, 0, 0, "for them.")]
    [InlineData(11, 11, 0, "for them; 11 snapshots dropped (disk slower than the interval).")]
    [InlineData(1, 1, 0, "for them; 1 snapshot dropped (disk slower than the interval).")]
    [InlineData(2, 0, 2, "for them; 2 snapshots refused (NaN or infinity in the weights).")]
    [InlineData(3, 0, 0, "for them; 3 saves failed (see journal.jsonl).")]
    [InlineData(6, 3, 2, "for them; 3 snapshots dropped (disk slower than the interval); 2 snapshots refused (NaN or infinity in the weights); 1 save failed (see journal.jsonl).")]
    public void It_says_which_saves_are_missing_and_why(int unsaved, int dropped, int refused, string end) =>
        new RunSummary { Steps = 20, Batches = 20, SkipsByReason = new Dictionary<string, long>(StringComparer.Ordinal), Saves = 4, Unsaved = unsaved, Dropped = dropped, Refused = refused }.ToString().ShouldEndWith(end);

    [Fact]
    public void A_finished_run_that_was_started_again_has_saved_nothing() =>
        new RunSummary { Steps = 20, Batches = 20, SkipsByReason = new Dictionary<string, long>(StringComparer.Ordinal), FinalCheckpoint = "20" }.ToString()
            .ShouldBe("20 batches, 20 steps. The newest checkpoint is 20/. Nothing was to be saved in this process.");
}
