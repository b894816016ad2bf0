using System.CommandLine;
using System.Diagnostics;
using Cairn.Cli.Output;
using Cairn.Commit;
using Cairn.Layouts;
using Cairn.Resume;

namespace Cairn.Cli.Verbs;

/// <summary>One copy in <c>cairn verify</c>.</summary>
internal sealed record VerifyRow(string Path, long? Step, bool Good, string? File, string? Reason, long Bytes, int Files);

/// <summary>The result of <c>cairn verify</c>.</summary>
internal sealed record VerifyResult(IReadOnlyList<VerifyRow> Copies, int Bad, long Bytes, double Seconds);

/// <summary><c>cairn verify</c>: is it good?</summary>
internal sealed class VerifyVerb : Verb
{
    private readonly Argument<string[]> _paths = new("path") { Description = "Runs or single checkpoints.", HelpName = "PATH", Arity = ArgumentArity.OneOrMore };

    protected override string Example => "cairn verify runs/tinylm runs/other/500";

    protected override Command Define() => new("verify", "Reads every byte of the given runs or checkpoints: sizes, hashes and formats. Exits with 1 on any fault.") { _paths };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        CheckpointPath[] copies = [.. parsed.GetValue(_paths)!.SelectMany(CheckpointPath.Expand)];
        long start = Stopwatch.GetTimestamp(), total = copies.Sum(copy => copy.Bytes);
        using var progress = new ProgressLine(screen, "verify", total);
        var rows = new List<VerifyRow>();
        foreach (CheckpointPath copy in copies)
        {
            cancellationToken.ThrowIfCancellationRequested();
            CheckpointFault? fault = Verifier.Verify(copy.Files, copy.Entry, cancellationToken) ?? FormatFault(copy);
            rows.Add(new VerifyRow(copy.Name, copy.Entry.Step < 0 ? null : copy.Entry.Step, fault is null, fault?.Path, fault?.Reason, copy.Bytes, copy.Entry.Marker?.Files.Count ?? 0));
            progress.Add(copy.Bytes);
        }
        progress.Clear();
        var result = new VerifyResult(rows, rows.Count(row => !row.Good), total, Stopwatch.GetElapsedTime(start).TotalSeconds);
        screen.Show(result, JsonTypes.Default.VerifyResult, shown => Render(screen, shown));
        return result.Bad == 0 ? ExitCode.Good : ExitCode.FoundBad;
    }

    // Right bytes may still be no checkpoint: every part is opened and its tree read, tensors' places included.
    private static CheckpointFault? FormatFault(CheckpointPath copy)
    {
        foreach (MarkedFile file in copy.Entry.Marker!.Files)
        {
            try
            {
                if (CairnLayout.PartOf(file.Name) is not null)
                    CairnLayout.Read(copy.Files, copy.Entry.Folder, file.Name).Dispose();
            }
            catch (Exception e) when (e is CheckpointException or IOException)
            {
                return new CheckpointFault(copy.Entry.Folder, $"{copy.Entry.Folder}/{file.Name}", e.Message);
            }
        }
        return null;
    }

    private static void Render(Screen screen, VerifyResult result)
    {
        foreach (VerifyRow row in result.Copies)
        {
            screen.Line(row.Good
                ? $"{screen.Good("good")}  {Screen.Plain(row.Path)}  {Units.Bytes(row.Bytes)} in {row.Files} files"
                : $"{screen.Bad("BAD")}   {Screen.Plain(row.Path)}  {Screen.Plain($"{row.File}: {row.Reason}")}");
        }
        screen.Line(Screen.Plain($"{result.Copies.Count} copies, {result.Bad} bad, {Units.Bytes(result.Bytes)} in {Units.Time(TimeSpan.FromSeconds(result.Seconds))} ({Units.Bytes(result.Bytes / Math.Max(result.Seconds, 1e-9))}/s)"));
    }
}
