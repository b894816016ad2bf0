using System.Text.RegularExpressions;

namespace Cairn.Telemetry.Tests;

/// <summary>What Prometheus and Grafana make of the metrics.</summary>
public sealed partial class PrometheusTests(ScrapedRun run)
{
    private static string Folder => Path.Combine(RepositoryFolder.Path, "docs", "telemetry");

    [Fact]
    public async Task What_is_scraped_pleases_promtool()
    {
        (int code, string said) = await Promtool.RunAsync(run.Text, "check", "metrics");
        (code, said).ShouldBe((0, ""), run.Text);
    }

    [Fact]
    public void All_metrics_are_there_with_their_units()
    {
        foreach (string name in (string[])
            ["cairn_save_stall_seconds_bucket", "cairn_save_duration_seconds_sum", "cairn_save_recoverable_seconds_count", "cairn_save_size_bytes_bucket", "cairn_saves_total", "cairn_skipped_batches_total",
             "cairn_resume_copies_total", "cairn_resume_lost_steps_total", "cairn_durable_age_seconds", "cairn_batch_age_seconds", "cairn_steps_at_risk", "cairn_store_free_bytes", "cairn_drain_backlog"])
            run.Names.Contains(name).ShouldBeTrue(name);
        run.Text.ShouldMatch("""cairn_saves_total\{[^}]*cairn_kind="checkpoint",cairn_outcome="failed"[^}]*\} 0""");
        run.Text.ShouldMatch("""cairn_resume_copies_total\{[^}]*cairn_outcome="refused"[^}]*\} 1""");
        // A stall of milliseconds is not below the first boundary, as it would be by the standard ones.
        run.Text.ShouldContain("le=\"0.001\"");
    }

    [Theory, InlineData("grafana.json"), InlineData("prometheus-rules.yml"), InlineData("prometheus-rules.test.yml"), InlineData("../telemetry.md")]
    public void Every_metric_that_is_named_is_one_that_is_exported(string file)
    {
        string[] named = [.. Metric().Matches(File.ReadAllText(Path.Combine(Folder, file))).Select(match => match.Value).Distinct(StringComparer.Ordinal).Where(name => name is not ("cairn_kind" or "cairn_outcome" or "cairn_reason" or "cairn_run"))];
        named.ShouldNotBeEmpty();
        string[] families = [.. run.Names.Select(name => name.Replace("_bucket", "", StringComparison.Ordinal))];
        named.Where(name => !run.Names.Contains(name) && !(file.EndsWith(".md", StringComparison.Ordinal) && families.Contains(name))).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_rules_are_sound_and_fire_when_they_should()
    {
        (int code, string said) = await Promtool.RunAsync(null, "check", "rules", Path.Combine(Folder, "prometheus-rules.yml"));
        code.ShouldBe(0, said);
        (code, said) = await Promtool.RunAsync(null, "test", "rules", Path.Combine(Folder, "prometheus-rules.test.yml"));
        code.ShouldBe(0, said);
    }

    [GeneratedRegex(@"\bcairn_[a-z_]+")]
    private static partial Regex Metric();
}
