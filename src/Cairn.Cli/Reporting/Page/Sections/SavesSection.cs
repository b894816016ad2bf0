using Cairn.Advice.Audit;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Charts;
using Cairn.Cli.Reporting.Data;

namespace Cairn.Cli.Reporting.Page.Sections;

/// <summary>How long saves took, and the room that copies take.</summary>
internal static class SavesSection
{
    // More of them no one counts, and the number would change with each file that anybody writes.
    private const long MostCopies = 1000;

    public static void Write(Markup page, RunReport run, string id, int level)
    {
        if (run.Audit is null)
            return;
        Shapes.Open(page, $"{id}-saves", level, "Saves");
        RecordedSave[] made = [.. run.Made];
        int failed = run.Saves.Count() - made.Length;
        if (failed + made.Length == 0)
            page.Add($"""<p class="empty">Nothing was saved yet.</p>""");
        else
        {
            page.Add($"""<p>{Units.Of(made.Length, "save")}{(failed > 0 ? $", and {Units.Count(failed)} that failed, were refused or dropped" : "")}. Training waited {Units.Time(run.Audit.Stall)} for them in all{(run.Audit.ActiveTime > TimeSpan.Zero ? $", {Quantities.Percent(run.Audit.Stall / run.Audit.ActiveTime)} of its time" : "")}.</p>""");
            Times(page, made);
        }
        Shapes.Close(page);
        Space(page, run, id, level);
    }

    private static void Times(Markup page, RecordedSave[] made)
    {
        Distribution[] both = [new(made.Select(save => save.Stall)), new(made.Select(save => save.Duration).OfType<TimeSpan>())];
        string[] names = ["Stall: training waited", "Durable after"];
        if (both.All(times => times.IsDrawn))
        {
            page.Add($"""<div class="pair">""");
            for (int i = 0; i < both.Length; i++)
                both[i].Write(page, names[i]);
            page.Add($"</div>\n");
            return;
        }
        page.Add($"""<dl class="facts">""");
        for (int i = 0; i < both.Length; i++)
            Shapes.Fact(page, names[i], both[i].Text);
        page.Add($"</dl>\n");
    }

    private static void Space(Markup page, RunReport run, string id, int level)
    {
        if (run.Timeline.Held.Count == 0)
            return;
        Shapes.Open(page, $"{id}-space", level, "Space");
        long held = run.Copies?.Bytes ?? run.Timeline.Held[^1].Bytes, largest = run.Copies?.Copies.Select(copy => copy.Bytes).DefaultIfEmpty(0).Max() ?? 0;
        string text = $"The copies hold {Units.Bytes(held)}, at most {Units.Bytes(Math.Max(held, run.Timeline.Held.Max(point => point.Bytes)))} by the journal."
            + (run.Free is not { } free ? "" : $" {Units.Bytes(free)} are free where they stand{(largest == 0 ? "" : free / largest > MostCopies ? $": room for more than {Units.Count(MostCopies)} copies of the largest size" : $": room for {Units.Of(free / largest, "more copy", "more copies")} of the largest size")}.");
        page.Add($"<p>{text}</p>\n");
        if (run.Timeline.Held.Count > 1)
            BytesChart.Write(page, run.Timeline.Held, run.Now, run.Free + held, text);
        Shapes.Close(page);
    }
}
