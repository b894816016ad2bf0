using Cairn.Advice.Audit;
using Cairn.Cli.Runs;

namespace Cairn.Cli.Tests.Runs;

/// <summary>What would be lost now, from the lines of a journal.</summary>
public class RunRiskTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void What_was_made_since_the_newest_durable_copy_was_captured_would_be_lost()
    {
        RunRisk risk = Of(130, """{"time":"2026-01-01T11:00:00Z","event":"started","step":0,"batch":0}""", Saved("11:50:00", 120, seconds: 60));
        (risk.DurableStep, risk.Steps).ShouldBe((120, 10));
        risk.DurableAge.ShouldBe(TimeSpan.FromMinutes(10));
        // It has the state of 11:49.
        risk.Time.ShouldBe(TimeSpan.FromMinutes(11));
    }

    [Fact]
    public void Where_the_journal_is_newer_than_the_progress_it_tells_for_how_long_was_trained()
    {
        RunRisk risk = RunRisk.Of(JournalReader.Read(["""{"time":"2026-01-01T11:00:00Z","event":"started","step":0,"batch":0}""", Saved("12:00:01", 120), """{"time":"2026-01-01T12:00:03Z","event":"metrics","step":122,"batch":122}"""]),
            new RunProgress(Noon, 119, 119, 0, null, null, null), Noon);
        (risk.Steps, risk.Time).ShouldBe((2, TimeSpan.FromSeconds(3)));
    }

    [Fact]
    public void Without_a_copy_all_would_be_lost()
    {
        RunRisk risk = Of(7, """{"time":"2026-01-01T11:30:00Z","event":"started","step":0,"batch":0}""");
        risk.ShouldBe(new RunRisk(null, null, 7, TimeSpan.FromMinutes(30)));
    }

    [Fact]
    public void What_failed_or_stands_in_the_fast_folder_alone_is_not_durable() =>
        Of(130, """{"time":"2026-01-01T11:00:00Z","event":"started","step":0,"batch":0}""", Saved("11:10:00", 100), Saved("11:40:00", 120, "recoverable"), Saved("11:50:00", 125, "failed")).DurableStep.ShouldBe(100);

    [Fact]
    public void After_a_resume_the_copy_that_was_taken_counts_and_none_above_it()
    {
        RunRisk risk = Of(103, """{"time":"2026-01-01T09:00:00Z","event":"started","step":0,"batch":0}""", Saved("09:10:00", 100), Saved("09:20:00", 120),
            """{"time":"2026-01-01T11:55:00Z","event":"resumed","step":100,"batch":100,"from":"100","lost_steps":20}""");
        (risk.DurableStep, risk.Steps, risk.Time).ShouldBe((100, 3, TimeSpan.FromMinutes(5)));
        risk.DurableAge.ShouldBe(TimeSpan.FromMinutes(170));
    }

    [Fact]
    public void A_run_whose_end_is_saved_has_nothing_to_lose() =>
        Of(120, """{"time":"2026-01-01T11:00:00Z","event":"started","step":0,"batch":0}""", Saved("11:50:00", 120)).ShouldBe(new RunRisk(120, TimeSpan.FromMinutes(10), 0, TimeSpan.Zero));

    private static RunRisk Of(long step, params string[] journal) => RunRisk.Of(JournalReader.Read(journal), new RunProgress(Noon, step, step, 0, null, null, null), Noon);

    private static string Saved(string at, long step, string outcome = "saved", double seconds = 1) =>
        $$"""{"time":"2026-01-01T{{at}}Z","event":"{{outcome}}","step":{{step}},"kind":"snapshot","reason":"snapshot","stall_seconds":0,"bytes":1,"seconds":{{seconds}}}""";
}
