using Cairn.Advice.Audit;
using Cairn.Cli.Reporting.Data;

namespace Cairn.Cli.Reporting.Page.Sections;

/// <summary>What the audit found.</summary>
internal static class AuditSection
{
    private const int Most = 30;

    public static void Write(Markup page, RunReport run, string id, int level)
    {
        if (run.Audit is not { } audit)
            return;
        Shapes.Open(page, $"{id}-audit", level, "Audit");
        if (!audit.Findings.Any(finding => finding.IsHarmful))
            page.Add($"<p>{Shapes.Badge("good", "nothing bad")}</p>\n");
        if (audit.Findings.Count > 0)
        {
            page.Add($"""<ul class="findings">""");
            foreach (AuditFinding finding in audit.Findings.Take(Most))
                page.Add($"<li>{Shapes.Badge(finding.IsHarmful ? "bad" : "plain", finding.IsHarmful ? "bad" : "note")} {finding.Message}{Advice(finding)}</li>\n");
            page.Add($"</ul>\n");
            if (audit.Findings.Count > Most)
                page.Add($"<p>And {audit.Findings.Count - Most} more: cairn audit has them all.</p>\n");
        }
        Shapes.Close(page);
    }

    private static Markup Advice(AuditFinding finding) => finding.Advice.Length == 0 ? new Markup() : new Markup().Add($"""<br><span class="advice">{finding.Advice}</span>""");
}
