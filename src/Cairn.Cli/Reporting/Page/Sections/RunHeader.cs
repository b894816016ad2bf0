using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;

namespace Cairn.Cli.Reporting.Page.Sections;

/// <summary>What a run is and how it stands, at a glance.</summary>
internal static class RunHeader
{
    public static void Write(Markup page, RunReport run, string id, int level)
    {
        page.Add($"""<header class="run" id="{id}-head" data-part="{id}-head"><div class="title">""");
        page.AddRaw(level == 1 ? "<h1" : "<h2").Add($""" id="{id}-name">{run.Name}""").AddRaw(level == 1 ? "</h1>" : "</h2>");
        page.Add($"{State(run)}</div>\n");
        page.Add($"""<p class="place">{run.Root}{(run.Origin is { } origin ? $", begun from {origin}" : "")}</p>""");
        Progress(page, run);
        page.Add($"""<dl class="facts">""").Add($"\n");
        if (run.Audit is { } audit)
        {
            long batches = Math.Max(audit.Batches, run.Progress?.Batch ?? 0), skipped = audit.Skips.Values.Sum();
            Shapes.Fact(page, "Batches", skipped == 0 ? $"{Units.Count(batches)}, none skipped" : $"{Units.Count(batches)}, {Units.Count(skipped)} skipped ({string.Join(", ", audit.Skips.Select(skip => $"{skip.Key}: {Units.Count(skip.Value)}"))})");
        }
        if (run.Progress?.Loss is { } loss)
            Shapes.Fact(page, "Loss", Units.Digits(loss));
        if (run.SecondsPerStep is { } seconds)
            Shapes.Fact(page, "A step takes", Units.Seconds(seconds) + (Left(run) is { } left ? $"; {left} left" : ""));
        if (run.Lineage is { } lineage)
            Shapes.Fact(page, "Branch", lineage.Current.Name);
        if (WorldOf(run) is { } world)
            Shapes.Fact(page, "World", world);
        if (run.Progress is { } progress)
            Shapes.Fact(page, "Last heard of", new Markup().Add($"{Shapes.Moment(progress.Time)} UTC"));
        page.Add($"</dl>\n");
        if (run.Audit is null && run.Copies is not null)
            page.Add($"""<p class="empty">There is no journal of Cairn here: what was trained is not known, only the copies that stand in the folder.</p>""");
        page.Add($"</header>\n");
    }

    /// <summary>The state as a word with a colour.</summary>
    public static Markup State(RunReport run) => run.State switch
    {
        "" => new Markup(),
        "training" => Shapes.Badge("live", run.State),
        "finished" => Shapes.Badge("good", run.State),
        "killed" or "aborted" => Shapes.Badge("bad", run.State),
        "unknown" => Shapes.Badge("plain", "on another machine"),
        _ => Shapes.Badge("plain", run.State),
    };

    private static void Progress(Markup page, RunReport run)
    {
        if (run.Audit is null)
            return;
        string of = run.TotalSteps is > 0 and var planned ? $" of {Units.Count(planned)} steps, {Units.Percent(run.Step, planned)}" : run.Step == 1 ? " step" : " steps";
        page.Add($"""<p class="steps"><b>{Units.Count(run.Step)}</b>{of}</p>""");
        if (run.TotalSteps is > 0 and var total)
            page.Add($"""<svg class="progress" width="100%" height="6" role="img" aria-label="{Units.Percent(run.Step, total)} of the steps"><rect class="rest" width="100%" height="6" rx="3"/><rect class="made" width="{Math.Clamp(100.0 * run.Step / total, 0, 100)}%" height="6" rx="3"/></svg>""");
        page.Add($"\n");
    }

    private static string? Left(RunReport run) =>
        run.State == "training" && run.TotalSteps is { } total && run.SecondsPerStep is { } seconds && total > run.Step ? Units.Seconds((total - run.Step) * seconds) : null;

    /// <summary>The world that saved the newest copy, or as many ranks as the journal says.</summary>
    public static string? WorldOf(RunReport run) => run.World switch
    {
        { Size: 1 } => "one process",
        { } world => $"{Units.Of(world.Size, "rank")}: tp {world.Tp}, pp {world.Pp}, dp {world.Dp}, zo {world.Zo}",
        null => run.Timeline.Processes is [.., { Ranks: > 1 and var ranks }] ? $"{Units.Count(ranks)} ranks" : null,
    };
}
