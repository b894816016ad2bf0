using System.Text.Json;
using Cairn.Checkpoints;
using Cairn.Cli.Exporting;
using Cairn.TensorBoard;

namespace Cairn.Cli.Tests.Exporting;

/// <summary>From the lines of a journal to the points of TensorBoard's curves.</summary>
public class JournalScalarsTests
{
    private const string Started = """{"time":"2026-01-01T00:00:00Z","event":"started","branch":0,"step":0,"batch":0}""";

    [Fact]
    public void Windows_become_points_at_the_moment_at_which_each_ended()
    {
        Scalar[] points = Line(null, Started,
            """{"time":"2026-01-01T00:00:20Z","event":"metrics","step":7,"batch":8,"batches":[1,4,8],"steps":[1,4,7],"loss":[3,2,"NaN"],"learning_rate":[0.5,0.5,0.25],"tokens":[100,400,800],"seconds":[1,4,8],"metrics":{"validation_loss":[null,null,1.5]},"loss_min":[3,1,1.5],"loss_max":[3,9,2]}""");
        points.Where(point => point.Tag == RunScalars.Loss).ShouldBe([At(RunScalars.Loss, 1, 8, 3), At(RunScalars.Loss, 4, 12, 2), At(RunScalars.Loss, 7, 20, double.NaN)]);
        points.Where(point => point.Tag == RunScalars.MostLoss).ShouldBe([At(RunScalars.MostLoss, 4, 12, 9), At(RunScalars.MostLoss, 7, 20, 2)], "a single batch has no extremes");
        points.Where(point => point.Tag == RunScalars.TokensPerSecond).Select(point => point.Value).ShouldBe([100, 100, 100]);
        points.Where(point => point.Tag == RunScalars.SecondsPerBatch).Select(point => point.Value).ShouldBe([1, 4 / 3d, 2]);
        points.Where(point => point.Tag == RunScalars.LearningRate).Select(point => point.Value).ShouldBe([0.5, 0.5, 0.25]);
        points.Where(point => point.Tag == "validation_loss").ShouldHaveSingleItem().ShouldBe(At("validation_loss", 7, 20, 1.5));
    }

    [Fact]
    public void What_a_restart_made_again_is_not_doubled_and_a_skipped_batch_makes_no_second_point()
    {
        Loss(Line(null, Started, Measured("1,2,3", "1,2,3"), Measured("4", "3"), Resumed(0, 2), Measured("3,4", "30,40"))).ShouldBe("1:1 2:2 3:30 4:40");
        Loss(Line(null, Started, """{"time":"2026-01-01T00:00:20Z","event":"metrics","step":2,"batch":3,"batches":[1,2,3],"steps":[1,1,2],"loss":[5,null,4],"seconds":[1,1,1]}""")).ShouldBe("1:5 2:4");
    }

    [Fact]
    public void A_batch_that_is_skipped_before_a_process_makes_a_step_makes_no_point() =>
        Line(null, Started, """{"time":"2026-01-01T00:00:20Z","event":"metrics","step":0,"batch":1,"batches":[1],"steps":[0],"seconds":[1]}""",
            Resumed(0, 5), """{"time":"2026-01-01T00:00:20Z","event":"metrics","step":6,"batch":8,"batches":[7,8],"steps":[5,6],"seconds":[1,1]}""").ShouldHaveSingleItem().Step.ShouldBe(6);

    [Fact]
    public void A_line_that_was_left_counts_again_when_the_run_goes_on_from_it()
    {
        // main is left at 1 for 'b', and 'c' then leaves main at 2.
        string[] journal = [Started, Measured("1,2,3", "1,2,3"), Resumed(1, 1), Measured("2,3", "20,30"), Resumed(2, 2), Measured("3", "300")];
        Branch main = new(0, "main", null, 0), b = new(1, "b", 0, 1), c = new(2, "c", 0, 2);
        Loss(Line(new Lineage([main, b], 1), journal[..4])).ShouldBe("1:1 2:20 3:30");
        Loss(Line(new Lineage([main, b, c], 2), journal)).ShouldBe("1:1 2:2 3:300");
        // Branched, and not yet started.
        Loss(Line(new Lineage([main, b], 1), journal[..2])).ShouldBe("1:1");
    }

    [Fact]
    public void A_save_by_way_of_a_fast_folder_costs_its_stall_once()
    {
        Scalar[] points = Line(null, Started, Saved("recoverable", 5, 2, 0.25), Saved("recoverable", 6, 3, 0.5), Saved("saved", 5, 4, 0), Saved("saved", 9, 1, 0.125), """{"time":"2026-01-01T00:00:09Z","event":"failed","step":10,"kind":"checkpoint","stall_seconds":1}""");
        string Of(string tag) => string.Join(' ', points.Where(point => point.Tag == tag).Select(point => $"{point.Step}:{point.Value.ToString(System.Globalization.CultureInfo.InvariantCulture)}"));
        (Of(RunScalars.SaveStall), Of(RunScalars.SaveRecoverable), Of(RunScalars.SaveDurable), Of(RunScalars.SaveBytes)).ShouldBe(("5:0.25 6:0.5 9:0.125", "5:2 6:3", "5:4 9:1", "5:1000 6:1000 9:1000"));
    }

    [Theory]
    [InlineData("""{"time":"2026-01-01T00:00:10Z","event":"metrics","step":7,"batch":8,"batches":[4,8],"steps":[4]}""")]
    [InlineData("""{"time":"2026-01-01T00:00:10Z","event":"metrics","step":7,"batch":8,"batches":[8],"metrics":{"x":[1,2]}}""")]
    [InlineData("""{"time":"2026-01-01T00:00:10Z","event":"metrics","step":7,"batch":8,"batches":[8],"metrics":[]}""")]
    [InlineData("""{"time":"2026-01-01T00:00:10Z","event":"saved","step":7,"kind":3,"bytes":"x"}""")]
    [InlineData("""{"event":"saved"}""")]
    public void A_line_that_is_damaged_is_passed_over(string line) => Line(null, line).ShouldBeEmpty();

    [Fact]
    public void Seconds_that_no_run_takes_do_not_lead_before_the_beginning_of_time() =>
        Line(null, """{"time":"2026-01-01T00:00:10Z","event":"metrics","step":2,"batch":2,"batches":[1,2],"loss":[1,2],"seconds":[1e300,1e300]}""").Length.ShouldBe(4);

    private static Scalar[] Line(Lineage? lineage, params string[] lines)
    {
        var scalars = new JournalScalars(lineage);
        foreach (string line in lines)
            scalars.Take(JsonDocument.Parse(line).RootElement);
        return scalars.Line();
    }

    private static string Measured(string batches, string loss) =>
        $$"""{"time":"2026-01-01T00:00:10Z","event":"metrics","step":3,"batch":3,"batches":[{{batches}}],"loss":[{{loss}}]}""";

    private static string Resumed(int branch, long step) => $$"""{"time":"2026-01-01T00:00:20Z","event":"resumed","branch":{{branch}},"step":{{step}},"batch":{{step}},"from":"x","lost_steps":0}""";

    private static string Saved(string outcome, long step, int seconds, double stall) => string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $$"""{"time":"2026-01-01T00:00:09Z","event":"{{outcome}}","step":{{step}},"kind":"checkpoint","reason":"interval","stall_seconds":{{stall}},"folder":"x","bytes":1000,"seconds":{{seconds}}}""");

    private static string Loss(Scalar[] points) => string.Join(' ', points.Where(point => point.Tag == RunScalars.Loss).Select(point => $"{point.Step}:{point.Value}"));

    private static Scalar At(string tag, long step, int second, double value) => new(tag, step, new DateTimeOffset(2026, 1, 1, 0, 0, second, TimeSpan.Zero), value);
}
