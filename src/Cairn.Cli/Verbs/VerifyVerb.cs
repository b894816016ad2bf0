using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Listing;
using Cairn.Cli.Output;
using Cairn.Cli.Verification;

namespace Cairn.Cli.Verbs;

/// <summary>
/// One copy in <c>cairn verify</c>. The verdict is <c>intact</c>, <c>damaged</c>, or <c>unreadable</c>: it could not be read, and nothing is known to be damaged.
/// Of many faults the first by file are there, and their number.
/// </summary>
internal sealed record VerifyRow(
    string Path, string Layout, long? Step, string Verdict, bool Good, IReadOnlyList<CopyFault> Faults, int FaultCount, long Bytes, int Files, int Tensors,
    IReadOnlyList<string> Checked, IReadOnlyList<string> Unchecked, IReadOnlyList<string> Unread);

/// <summary>The result of <c>cairn verify</c>: how many copies are damaged, and how many could not be read.</summary>
internal sealed record VerifyResult(IReadOnlyList<VerifyRow> Copies, int Bad, int Unreadable, long Bytes, double Seconds);

/// <summary><c>cairn verify</c>: is it good?</summary>
internal sealed class VerifyVerb : Verb
{
    private const int MostFaults = 100, MostFaultsShown = 10;

    private readonly Argument<string[]> _paths = new("path")
    {
        Description = "Runs, single checkpoints, files or model folders of any kind.",
        HelpName = "PATH",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<bool> _strict = StrictChoice.Option();

    public override JsonTypeInfo Result => JsonTypes.Default.VerifyResult;

    public override string Example => "cairn verify runs/tinylm runs/other/500 model.safetensors";

    public override string Details => "Sizes, hashes, formats, and that every element of every tensor is owned once. Says what a format of another program cannot tell. Exits with 1 when something is damaged, with 3 when something could not be read.";

    protected override Command Define() =>
        new("verify", "Reads every byte, and says what is damaged.") { _paths, _strict };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        (string Path, CopyListing Listing)[] listings = [.. parsed.GetValue(_paths)!.Select(path => (path, CopyListing.Read(path)))];
        long start = Stopwatch.GetTimestamp(), total = listings.Sum(listed => listed.Listing.BytesToVerify());
        var rows = new List<VerifyRow>();
        using (var progress = new ProgressLine(screen, "verify", total))
        {
            foreach ((string path, CopyListing listing) in listings)
            {
                (CopyListing verified, CopyCheck[] checks) = listing.Verify(progress.Add, cancellationToken, parsed.GetValue(_strict));
                foreach ((ListedCopy copy, CopyCheck check) in verified.Copies.Zip(checks))
                {
                    string name = listing.IsOne ? path : Path.Join(path, copy.Name);
                    rows.Add(new VerifyRow(name, copy.Layout, copy.Step, check.Verdict, check.IsGood, [.. check.Faults.Take(MostFaults)], check.Faults.Count, copy.Bytes, copy.Files, check.Tensors, check.Checked, check.Unchecked, check.Unread));
                }
            }
        }
        int unreadable = rows.Count(row => row.Verdict == CopyCheck.Unreadable);
        var result = new VerifyResult(rows, rows.Count(row => row.Verdict == CopyCheck.Damaged), unreadable, total, Stopwatch.GetElapsedTime(start).TotalSeconds);
        screen.Show(result, JsonTypes.Default.VerifyResult, shown => Render(screen, shown));
        return result.Bad > 0 ? ExitCode.FoundBad : unreadable > 0 ? ExitCode.CouldNot : ExitCode.Good;
    }

    private static void Render(Screen screen, VerifyResult result)
    {
        screen.Table(["", "", "size", "files", "tensors", ""], result.Copies.SelectMany(row => Rows(screen, row)), 2, 3, 4);
        foreach (string missing in result.Copies.SelectMany(row => row.Unchecked).Distinct(StringComparer.Ordinal))
            screen.Line(screen.Dim($"Not checked: {missing}."));
        foreach (VerifyRow row in result.Copies.Where(row => row.Unread.Count > 0))
        {
            screen.Line(Screen.Plain($"{row.Path} is intact as far as its files tell, but not all of it is read by Cairn:"));
            foreach (string value in row.Unread)
                screen.Line(screen.Dim($"  {value}"));
        }
        string rate = result.Seconds < 0.05 ? "" : $" ({Units.Bytes(result.Bytes / result.Seconds)}/s)";
        screen.Line(Screen.Plain($"{Units.Count(result.Copies.Count)} {(result.Copies.Count == 1 ? "copy" : "copies")}, {result.Bad} bad, {(result.Unreadable > 0 ? $"{result.Unreadable} unreadable, " : "")}{Units.Bytes(result.Bytes)} in {Units.Time(TimeSpan.FromSeconds(result.Seconds))}{rate}"));
    }

    private static IEnumerable<IReadOnlyList<string>> Rows(Screen screen, VerifyRow row)
    {
        string[] found = row.Good ? [Screen.Plain(string.Join(", ", row.Checked))] : [.. row.Faults.Take(MostFaultsShown).Select(fault => screen.Bad(fault.ToString()))];
        yield return [row.Good ? screen.Good("good") : screen.Bad(row.Verdict == CopyCheck.Damaged ? "BAD" : "UNREADABLE"), Screen.Plain(row.Path), Units.Bytes(row.Bytes), Units.Plain(row.Files), row.Good ? Units.Plain(row.Tensors) : "", found[0]];
        foreach (string more in found[1..])
            yield return ["", "", "", "", "", more];
        if (row.FaultCount > MostFaultsShown)
            yield return ["", "", "", "", "", screen.Bad($"and {Units.Of(row.FaultCount - MostFaultsShown, "fault")} more")];
    }
}
