using System.CommandLine;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using Cairn.Cli.Output;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;

namespace Cairn.Cli.Verbs;

/// <summary>The result of <c>cairn report</c>: the file, and of each run how much of it is shown.</summary>
internal sealed record ReportResult(string Output, long Bytes, IReadOnlyList<ReportedRun> Runs);

/// <summary>A run in a report. Windows are what its journal measured; each stands for one batch or several.</summary>
internal sealed record ReportedRun(string Root, string? State, long Step, int Windows, int Copies, int BadFindings);

/// <summary><c>cairn report</c>: how did it go, as a page to look at and to send.</summary>
internal sealed class ReportVerb(TimeProvider time) : Verb
{
    private const int HeadBytes = 4096;

    private readonly Argument<string[]> _runs = new("run") { Description = "The folder or address of a run, or of copies of InternLM or another program; several stand side by side.", HelpName = "RUN", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string> _output = new("--output", "-o") { Description = "The file to write [default: report.html].", HelpName = "FILE", DefaultValueFactory = _ => "report.html" };
    private readonly Option<bool> _verify = new("--verify") { Description = "Read every copy to its end, and say so in the page." };

    public override JsonTypeInfo Result => JsonTypes.Default.ReportResult;

    public override string Example => "cairn report runs/tinylm -o report.html\n  cairn report runs/a runs/b -o both.html";

    public override string Details => "One HTML file that loads nothing: curves, line of descent, saves, space, copies, audit. A report that stands there is replaced; another file is not.";

    protected override Command Define() =>
        new("report", "Writes a page of what runs did.") { _runs, _output, _verify };

    protected override int Run(ParseResult parsed, Screen screen, CancellationToken cancellationToken)
    {
        string output = Path.GetFullPath(parsed.GetValue(_output)!);
        RefuseOther(output);
        RunReport[] runs = [.. parsed.GetValue(_runs)!.Select(path => Look(path, parsed.GetValue(_verify), screen, cancellationToken))];
        byte[] page = Encoding.UTF8.GetBytes(ReportPage.Write(runs));
        Write(output, page);
        var result = new ReportResult(output, page.Length,
            [.. runs.Select(run => new ReportedRun(run.Root, run.State.Length > 0 ? run.State : null, run.Step, run.Timeline.Points.Count, run.Copies?.Copies.Count ?? 0, run.Audit?.Findings.Count(finding => finding.IsHarmful) ?? 0))]);
        screen.Show(result, JsonTypes.Default.ReportResult, shown => screen.Line(Screen.Plain($"{shown.Output}: {Units.Of(shown.Runs.Count, "run")}, {Units.Bytes(shown.Bytes)}")));
        return ExitCode.Good;
    }

    private RunReport Look(string path, bool verify, Screen screen, CancellationToken cancellationToken)
    {
        var source = new RunSource(path, time);
        RunReport run = source.Look();
        if (!verify || run.Copies is null)
            return run;
        using var progress = new ProgressLine(screen, "verify", run.Copies.Bytes);
        source.Verify(progress.Add, cancellationToken);
        return source.Look();
    }

    // Who gives the run's own folder or a checkpoint as the output must not lose it.
    private static void RefuseOther(string output)
    {
        if (Directory.Exists(output))
            throw new WrongUseException($"{output} is a folder. Give -o a file, such as {Path.Join(output, "report.html")}.");
        if (!File.Exists(output))
            return;
        using FileStream file = Stores.RegularFile.OpenStream(output);
        byte[] head = new byte[HeadBytes];
        int read = file.ReadAtLeast(head, HeadBytes, throwOnEndOfStream: false);
        if (read > 0 && !Encoding.UTF8.GetString(head, 0, read).Contains(ReportPage.Generator, StringComparison.Ordinal))
            throw new CheckpointException($"{output} is there, and is no report of cairn. Give -o another file, or remove it.") { Path = output };
    }

    // Whoever has the page open sees the old one or the new one.
    private static void Write(string output, byte[] page)
    {
        string beside = $"{output}.{Guid.NewGuid().ToString("N")[..8]}";
        try
        {
            File.WriteAllBytes(beside, page);
            File.Move(beside, output, overwrite: true);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
    }
}
