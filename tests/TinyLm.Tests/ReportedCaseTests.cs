using Cairn.Opening;
using Cairn.Policies;
using Cairn.Stores;

namespace TinyLm.Tests;

/// <summary>500 batches, some skipped: what the user found was a single snapshot 250.step.</summary>
public class ReportedCaseTests
{
    [Fact]
    public void The_true_last_step_has_its_checkpoint_and_the_user_is_told_what_ran()
    {
        using var folder = new TemporaryFolder();
        string run = folder.Run("reported");
        string output = SampleProcess.Run(run, "--total-steps", "500", "--checkpoint-every", "250", "--snapshot-every", "50", "--overflow-at", "120,121,400", "--evaluate", "20");
        output.ShouldContain("% on 20 sums that training never saw");

        Catalog catalog = Catalog.Read(new LocalFileSystem(run));
        CatalogEntry[] checkpoints = [.. catalog.Entries.Where(entry => entry is { Kind: SaveKind.Checkpoint, Marker: not null })];
        checkpoints.Length.ShouldBe(2, output);
        checkpoints[1].Step.ShouldBe(250);
        long last = checkpoints[0].Step;
        last.ShouldBeInRange(400, 497);
        catalog.Entries.Count(entry => entry is { Kind: SaveKind.Snapshot, Marker: not null }).ShouldBe(2, output);
        output.ShouldContain($"500 batches, {last} steps of 500; {500 - last} batches were skipped (overflow: {500 - last}), {500 - last} steps short of the plan. The newest checkpoint is {last}/.");
        output.ShouldContain("skipped batch 400: gradients overflowed");
        // While the step stands still it is not saved again.
        string[] saves = [.. output.Split('\n').Where(line => line.StartsWith("Saved ", StringComparison.Ordinal)).Select(line => line[..line.IndexOf(':', StringComparison.Ordinal)])];
        saves.Distinct(StringComparer.Ordinal).Count().ShouldBe(saves.Length, output);
    }
}
