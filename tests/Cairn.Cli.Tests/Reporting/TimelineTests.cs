using System.Diagnostics;
using System.Globalization;
using System.Text;
using Cairn.Checkpoints;
using Cairn.Cli.Reporting.Charts;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;

namespace Cairn.Cli.Tests.Reporting;

/// <summary>From the lines of a journal to what is drawn.</summary>
public sealed class TimelineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Windows_become_points_with_their_extremes_and_rates()
    {
        Timeline timeline = Read(
            """{"time":"2026-01-01T00:00:00Z","event":"started","branch":0,"step":0,"batch":0}""",
            """{"time":"2026-01-01T00:00:10Z","event":"metrics","step":7,"batch":8,"batches":[4,8],"steps":[4,7],"loss":[2,"NaN"],"loss_min":[1,1.5],"loss_max":[9,2],"tokens":[400,800],"seconds":[4,8],"seconds_max":[2.5,5]}""");
        timeline.Points.Count.ShouldBe(2);
        MetricPoint second = timeline.Points[1];
        (second.Step, second.Batch, second.Least, second.Most, second.Rate, second.SlowestRate).ShouldBe((7, 8, 1.5, 2, 100, 40));
        second.Loss.ShouldBe(double.NaN);
        timeline.CountsTokens.ShouldBeTrue();
        timeline.Marks.ShouldHaveSingleItem().ShouldBe(new RunMark(MarkKind.NotFinite, 7, "The loss is NaN at step 7"));
        timeline.Processes.ShouldHaveSingleItem().LastStep.ShouldBe(7);
    }

    [Theory]
    [InlineData("""{"time":"2026-01-01T00:00:10Z","event":"metrics","step":7,"batch":8,"batches":[4,8],"steps":[4]}""")]
    [InlineData("""{"time":"2026-01-01T00:00:10Z","event":"metrics","step":-7,"batch":8,"batches":[1e300]}""")]
    [InlineData("""{"time":"2026-01-01T00:00:10Z","event":"metrics","batches":{}}""")]
    [InlineData("""{"time":"2026-01-01T00:00:10Z","event":"saved","step":7,"kind":3,"bytes":"x"}""")]
    [InlineData("""{"time":"2026""")]
    [InlineData("[]")]
    public void A_line_that_is_damaged_is_passed_over(string line) => Read(line).Points.ShouldBeEmpty();

    [Fact]
    public void What_a_restart_makes_again_is_left_behind()
    {
        Timeline timeline = Read(
            """{"time":"2026-01-01T00:00:00Z","event":"started","branch":0,"step":0,"batch":0}""",
            """{"time":"2026-01-01T00:00:10Z","event":"metrics","step":3,"batch":3,"batches":[1,2,3],"loss":[3,2,1],"seconds":[1,1,1]}""",
            """{"time":"2026-01-01T00:00:20Z","event":"resumed","branch":0,"step":1,"batch":1,"from":"snapshot/0","lost_steps":2,"lost_at_least":true}""",
            """{"time":"2026-01-01T00:00:30Z","event":"metrics","step":2,"batch":2,"batches":[2],"loss":[5],"seconds":[1]}""");
        Curve loss = RunCurves.Of(Report(timeline), 0).Loss;
        loss.Parts.Select(part => (part.IsLeft, string.Join(' ', part.Samples.Select(sample => $"{sample.X}:{sample.Last}")))).ShouldBe([(false, "1:3"), (true, "1:3 2:2 3:1"), (false, "2:5")]);
        timeline.Marks.ShouldHaveSingleItem().Text.ShouldBe("Restart at step 1 from snapshot/0; at least 2 steps made again");
    }

    [Fact]
    public void Bytes_are_held_until_a_copy_is_replaced_or_retired()
    {
        Timeline timeline = Read(Saved(1, "100", 10), Saved(2, "snapshot/0", 5), Saved(3, "snapshot/0", 7), """{"time":"2026-01-01T00:00:04Z","event":"retired","step":100}""");
        timeline.Held.Select(held => held.Bytes).ShouldBe([10, 15, 17, 7]);

        static string Saved(int second, string folder, long bytes) => $$"""{"time":"2026-01-01T00:00:0{{second}}Z","event":"saved","step":100,"kind":"checkpoint","reason":"interval","stall_seconds":0.1,"folder":"{{folder}}","bytes":{{bytes}},"seconds":1}""";
    }

    [Fact]
    public void The_page_of_a_million_batches_is_light_and_has_the_spike_of_one()
    {
        Directory.CreateDirectory(_folder["run"]);
        using (var journal = new StreamWriter(Path.Join(_folder["run"], RunFolder.Journal), false, new UTF8Encoding(false)))
        {
            journal.Write("{\"time\":\"2026-01-01T00:00:00Z\",\"event\":\"started\",\"branch\":0,\"step\":0,\"batch\":0,\"total_steps\":1000000}\n");
            // Each batch by itself, as no journal of Cairn's own is: it is the worst that can be read.
            for (int line = 0; line < 4000; line++)
            {
                IEnumerable<int> batches = Enumerable.Range(line * 250 + 1, 250);
                journal.Write(string.Create(CultureInfo.InvariantCulture, $"{{\"time\":\"2026-01-02T00:00:00Z\",\"event\":\"metrics\",\"step\":{line * 250 + 250},\"batch\":{line * 250 + 250},\"batches\":[{string.Join(',', batches)}],\"loss\":[{string.Join(',', batches.Select(batch => batch == 654_321 ? "87.5" : "1.25"))}],\"seconds\":[{string.Join(',', batches.Select(_ => "0.5"))}]}}\n"));
            }
        }
        long began = Stopwatch.GetTimestamp();
        RunReport run = new RunSource(_folder["run"], TimeProvider.System).Look();
        string page = ReportPage.Write([run]);
        TestContext.Current.SendDiagnosticMessage($"{page.Length} letters in {Stopwatch.GetElapsedTime(began)}");
        run.Timeline.Points.Count.ShouldBe(1_000_000);
        page.Length.ShouldBeLessThan(400_000);
        page.ShouldContain("highest 87.5 near step 654,321");
        page.ShouldContain("[654,1.25,1.25,87.5]");
        page.ShouldContain("The chart draws them in 1,000 columns");
    }

    public void Dispose() => _folder.Dispose();

    private static Timeline Read(params string[] lines)
    {
        var timeline = new Timeline();
        foreach (string line in lines)
            timeline.Take(line);
        return timeline;
    }

    private static RunReport Report(Timeline timeline) => new() { Name = "run", Root = "/run", State = "", Now = DateTimeOffset.UnixEpoch, Timeline = timeline };
}
