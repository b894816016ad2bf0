using System.CommandLine;
using System.Text.Json.Serialization.Metadata;
using Cairn.Checkpoints;
using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Cli.Pruning;
using Cairn.Cli.Runs;
using Cairn.Cli.Verification;
using Cairn.Opening;
using Cairn.Policies;

namespace Cairn.Cli.Verbs;

/// <summary>One copy in <c>cairn ls</c>. The name is its folder or file, relative to what is listed; the status is complete, incomplete, corrupt, left behind, weights only (its optimizer went to save space), recoverable (whole in the fast folder of this machine, and not in the run yet) or in part (the rest is in those of other hosts).</summary>
internal sealed record LsRow(
    string Name, string Layout, long? Step, string Kind, int? Slot, string? Reason, DateTimeOffset? Time, long Bytes, int Files, string Status, string? Fault, string? Branch, bool Resumed)
{
    /// <summary>The measurements of its own step.</summary>
    public IReadOnlyDictionary<string, double>? Metrics { get; init; }

    /// <summary>Whether it is the best checkpoint of the run's line.</summary>
    public bool Best { get; init; }

    /// <summary>Of its bytes, those of files that other copies have too and that are on the disk once; absent for none.</summary>
    public long? SharedBytes { get; init; }

    /// <summary>The parts that it has lost to save space; absent for none.</summary>
    public string? Dropped { get; init; }

    /// <summary>Who needs it, so that it stays; absent when nobody said so.</summary>
    public IReadOnlyList<KeptRow>? Kept { get; init; }
}

/// <summary>What stands in a run and is no copy of its: a copy that was moved aside, or files that are being written or kept to be overwritten.</summary>
internal sealed record LeftOverRow(string Name, long Bytes, string What);

/// <summary>The result of <c>cairn ls</c>. Run id and branch are those of a run of Cairn; bytes that copies share are counted once.</summary>
internal sealed record LsResult(
    string Root, string? Run, string? Branch, IReadOnlyList<LsRow> Copies, int Checkpoints, int Snapshots, int Bad, long Bytes, string? ResumedFrom, string? ResumedBy)
{
    /// <summary>The best checkpoint of the run's line, by its metric; absent where the run was not told one.</summary>
    public BestCheckpoint? Best { get; init; }

    /// <summary>What stands in the run besides, and is not counted above; absent when nothing does.</summary>
    public IReadOnlyList<LeftOverRow>? LeftOver { get; init; }

    /// <summary>What stands in a folder and, of a run, in the fast folder of this machine.</summary>
    /// <param name="listing">The folder.</param>
    /// <param name="checks">What was found about each copy; <see langword="null"/> where nobody looked.</param>
    public static LsResult Of(CopyListing listing, IReadOnlyList<CopyCheck?> checks)
    {
        ListedCopy? resumed = listing.ResumedAfter(checks);
        IReadOnlyList<(LsRow Row, CatalogEntry Copy)> nearer = FastFolder.CopiesOf(listing.Run);
        // A restart here takes the newest of both.
        long? newest = nearer.Where(copy => copy.Row.Status == FastFolder.Recoverable).Max(copy => copy.Row.Step);
        bool isNearer = newest > (resumed?.Step ?? -1);
        var shared = SharedFiles.Among([.. listing.Copies.Select(copy => copy.Entry).OfType<CatalogEntry>(), .. nearer.Select(copy => copy.Copy)]);
        (LsRow Row, CatalogEntry? Copy)[] all =
        [
            .. nearer.Select(copy => (copy.Row with { Resumed = isNearer && copy.Row.Step == newest }, (CatalogEntry?)copy.Copy)),
            .. listing.Copies.Select((copy, i) => (Row(copy, checks[i], !isNearer && copy == resumed, listing.Best), copy.Entry)),
        ];
        var distinct = new DistinctBytes();
        foreach ((LsRow row, CatalogEntry? copy) in all)
            distinct.Add(row.Bytes, shared.Of(copy));
        LsRow[] rows = [.. all.Select(copy => copy.Row with { SharedBytes = shared.Of(copy.Copy) is { Count: > 0 } files ? files.Sum(file => file.Bytes) : null })];
        if (nearer.Count > 0)
            rows = [.. rows.OrderByDescending(row => row.Step ?? -1)];
        return new LsResult(
            listing.Root, listing.Run?.Record.Id, listing.Run?.Record.Lineage.Current.Name, rows, rows.Count(row => row.Kind != CopyKinds.Snapshot), rows.Count(row => row.Kind == CopyKinds.Snapshot),
            rows.Count(row => row.Fault is not null), (long)distinct.Total, rows.FirstOrDefault(row => row.Resumed)?.Name, isNearer ? "Cairn" : resumed is null ? null : listing.ResumedBy ?? "Cairn")
        { Best = listing.Best };
    }

    private static LsRow Row(ListedCopy copy, CopyCheck? check, bool resumed, BestCheckpoint? best)
    {
        bool corrupt = copy.Fault is null && check is { IsGood: false };
        string? fault = copy.Fault ?? (corrupt ? check!.Faults[0] + Units.AndMore(check.Faults.Count) : null);
        string status = copy.Fault is not null ? "incomplete" : corrupt ? "corrupt" : copy.IsLeftBehind ? "left behind" : copy.WeightsOnly is not null ? "weights only" : "complete";
        return new LsRow(copy.Name, copy.Layout, copy.Step, copy.Kind, copy.Slot, copy.Reason, copy.Time, copy.Bytes, copy.Files, status, fault, copy.Branch, resumed)
        {
            Metrics = PrunePlan.MetricsOf([copy]) is { Count: > 0 } metrics ? metrics : null,
            Dropped = copy.WeightsOnly,
            Kept = copy.Pins.Count > 0 ? [.. copy.Pins.Select(KeptRow.Of)] : null,
            Best = copy.Kind == CopyKinds.Checkpoint && !copy.IsLeftBehind && copy.Step is { } step && step == best?.Step,
        };
    }
}

/// <summary><c>cairn ls</c>: what do I have?</summary>
internal sealed class LsVerb(TimeProvider time) : Verb
{
    private readonly Argument<string> _path = new("path") { Description = "The folder of a run, or of checkpoints or models of any kind.", HelpName = "RUN" };
    private readonly Option<bool> _verify = new("--verify") { Description = "Read every copy to its end, and tell damaged ones from complete ones." };

    public override JsonTypeInfo Result => JsonTypes.Default.LsResult;

    public override string Example => "cairn ls runs/tinylm";

    public override string Details => "Newest first. Of Cairn and InternLM, transformers, PyTorch and its distributed checkpoints. Exits with 1 when one is incomplete or damaged.";

    protected override Command Define() =>
        new("ls", "Lists checkpoints and snapshots, and what a restart would take.") { _path, _verify };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        CopyListing listing = CopyListing.Read(parsed.GetValue(_path)!);
        CopyCheck?[] checks = new CopyCheck?[listing.Copies.Count];
        if (parsed.GetValue(_verify))
            (listing, checks) = Verify(screen, listing, cancellationToken);
        LsResult result = LsResult.Of(listing, checks) with { LeftOver = LeftOver.Rows(listing.FindLeftOver()) };
        screen.Show(result, JsonTypes.Default.LsResult, shown => Render(screen, shown));
        return result.Bad > 0 ? ExitCode.FoundBad : ExitCode.Good;
    }

    private static (CopyListing, CopyCheck[]) Verify(Screen screen, CopyListing listing, CancellationToken cancellationToken)
    {
        using var progress = new ProgressLine(screen, "verify", listing.BytesToVerify());
        return listing.Verify(progress.Add, cancellationToken);
    }

    private void Render(Screen screen, LsResult result)
    {
        if (result.Copies.Count == 0)
        {
            screen.Line(Screen.Plain($"{result.Root} holds no checkpoint yet: a restart starts fresh."));
            return;
        }
        // In a run the step and the slot name the folder; elsewhere the folder has to be said.
        bool isRun = result.Run is not null || result.Copies.All(row => row.Layout == CopyRecognition.InternLm);
        bool mixed = result.Copies.Select(row => row.Layout).Distinct(StringComparer.Ordinal).Count() > 1 || !isRun;
        DateTimeOffset now = time.GetUtcNow();
        List<(string Name, bool Right, Func<LsRow, string> Cell)> columns =
        [
            ("", false, row => row.Resumed ? screen.Good("→") : ""),
            .. isRun ? Array.Empty<(string, bool, Func<LsRow, string>)>() : [("name", false, row => Screen.Plain(row.Name))],
            ("step", true, row => row.Step is { } step ? Units.Plain(step) : isRun ? "?" : ""),
            ("kind", false, row => row.Slot is { } slot ? $"{row.Kind} {slot}" : row.Kind),
            .. mixed ? [("layout", false, row => row.Layout)] : Array.Empty<(string, bool, Func<LsRow, string>)>(),
            .. result.Run is null ? Array.Empty<(string, bool, Func<LsRow, string>)>() : [("why", false, row => row.Reason ?? "")],
            .. result.Best is not { } best ? Array.Empty<(string, bool, Func<LsRow, string>)>() : [(Screen.Plain(best.Metric), true, row => Measured(screen, row, best))],
            ("age", true, row => row.Time is { } at ? Units.Time(now - at) : ""),
            ("size", true, row => Units.Bytes(row.Bytes)),
            ("files", true, row => Units.Plain(row.Files)),
            ("status", false, row => row.Fault is { } fault ? screen.Bad($"{row.Status}: {fault}") : row.Status is "complete" or FastFolder.Recoverable ? screen.Good(Standing(row)) : screen.Dim(Standing(row))),
            .. result.Run is null ? Array.Empty<(string, bool, Func<LsRow, string>)>() : [("branch", false, row => Screen.Plain(row.Branch ?? ""))],
        ];
        int[] right = [.. Enumerable.Range(0, columns.Count).Where(i => columns[i].Right)];
        screen.Table([.. columns.Select(column => column.Name)], result.Copies.Select(row => (IReadOnlyList<string>)[.. columns.Select(column => column.Cell(row))]), right);
        string bad = result.Bad == 0 ? "" : $", {result.Bad} bad";
        string things = result.Copies.All(row => row.Kind == CopyKinds.File) ? Units.Of(result.Copies.Count, "file") : $"{Units.Of(result.Checkpoints, "checkpoint")}, {Units.Of(result.Snapshots, "snapshot")}";
        string named = result.Best is { } first ? Screen.Plain($" The best is {Units.Plain(first.Step)}/ ({first.Metric} {Units.Number(first.Value)}).") : "";
        string once = result.Copies.Any(row => row.SharedBytes is not null) ? ", what they share counted once" : "";
        screen.Line($"{things}{bad}, {Units.Bytes(result.Bytes)}{once}.{Restart(screen, result)}{named}");
        if (result.LeftOver is { } left)
            screen.Line(screen.Dim(Screen.Plain($"Besides {Units.Bytes(left.Sum(one => one.Bytes))}: {string.Join(", ", left.Select(one => $"{one.Name} ({one.What})"))}. cairn prune --left-over removes it.")));
        foreach (KeptRow pin in result.Copies.SelectMany(row => row.Kept ?? []))
            screen.Line(Screen.Plain($"Kept: {KeepVerb.InWords(pin, now)}."));
    }

    private static string Standing(LsRow row) => row.Kept is null ? row.Status : $"{row.Status}, kept";

    private static string Measured(Screen screen, LsRow row, BestCheckpoint best) => row.Metrics is null || !row.Metrics.TryGetValue(best.Metric, out double value) ? ""
        : row.Best ? screen.Good(Units.Number(value)) : Units.Number(value);

    private static string Restart(Screen screen, LsResult result) => result switch
    {
        { ResumedFrom: { } from, ResumedBy: "Cairn" } => Screen.Plain($" A restart takes {from}/."),
        { ResumedFrom: { } from, ResumedBy: { } program } => Screen.Plain($" {program} takes {from}/."),
        { Run: null } when result.Copies.Count == 1 || result.Copies.All(row => row.Layout != CopyRecognition.InternLm) => "",
        _ => " " + screen.Bad("A restart finds nothing to resume from."),
    };
}
