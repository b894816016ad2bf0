using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Cairn.Cli.Reporting.Charts;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page.Sections;

namespace Cairn.Cli.Reporting.Page;

/// <summary>How a page that is served follows the run, and what may be asked of it.</summary>
/// <param name="Token">What a request that changes something must carry; <see langword="null"/> when nothing may be asked.</param>
internal sealed record LivePage(string? Token);

/// <summary>The whole page: one file that needs nothing besides.</summary>
internal static class ReportPage
{
    /// <summary>What stands in a page that this program made, and in no other.</summary>
    public const string Generator = "<meta name=\"generator\" content=\"cairn ";

    private static readonly Lazy<string> Style = new(() => Resource("report.css")), Script = new(() => Resource("report.js")), LiveScript = new(() => Resource("live.js"));

    // Signs of what happened; a use of one takes the colour of its class.
    private const string Signs =
        """
        <svg class="signs" width="0" height="0" aria-hidden="true"><defs><path id="sign-checkpoint" d="M0-6 6 0 0 6-6 0Z"/><circle id="sign-snapshot" r="4"/><path id="sign-failed" d="M-5-5 5 5M5-5-5 5"/><path id="sign-skipped" d="M0-6V6"/><path id="sign-restart" d="M0-5 5 4H-5Z"/><path id="sign-branch" d="M-4-6V6M-4 2C4 2 4-1 4-6"/></defs></svg>
        """;

    /// <summary>What a browser may do with a page: draw it, and run its own script. It loads nothing, sends nothing and stands in no frame.</summary>
    /// <param name="live">A page that is served asks where it came from for news.</param>
    public static string Policy(LivePage? live) =>
        $"default-src 'none'; style-src '{Hash(Style.Value)}'; script-src '{Hash(ScriptOf(live))}'; img-src data:;{(live is null ? "" : " connect-src 'self';")} base-uri 'none'; form-action 'none'";

    /// <summary>Writes the page of some runs.</summary>
    public static string Write(IReadOnlyList<RunReport> runs) => Write(runs, Content(runs), live: null);

    /// <summary>Writes the page around a main part that was written before.</summary>
    public static string Write(IReadOnlyList<RunReport> runs, Markup content, LivePage? live)
    {
        string title = runs is [var single] ? single.Name : $"{runs.Count} runs";
        var page = new Markup();
        page.Add($"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="
            """).AddRaw(Policy(live)).AddRaw("\">\n" + Generator).Add($"""
            {Version}">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="referrer" content="no-referrer">
            <link rel="icon" href="data:,">
            <title>{title} · Cairn</title>
            <style>
            """).AddRaw(Style.Value).Add($"""
            </style>
            </head>
            <body>
            <a class="skip" href="#main">To the content</a>
            """).AddRaw(Signs);
        if (live is not null)
            Bar(page, runs, live);
        page.Add($"""<main id="main" tabindex="-1">""").Add(content).Add($"</main>\n");
        page.Add($"""<footer><p>Made {Shapes.Moment(runs[0].Now)} UTC by cairn {Version}. {(live is null ? "It loads nothing and sends nothing." : "It follows the run while it is open.")}</p></footer>""");
        return page.Add($"\n<script>").AddRaw(ScriptOf(live)).Add($"</script>\n</body>\n</html>\n").ToString();
    }

    /// <summary>What stands in the page's main part, which a served page takes anew as the run goes on.</summary>
    /// <param name="runs">The runs.</param>
    /// <param name="acts">Whether there are buttons for what can be asked about single copies.</param>
    public static Markup Content(IReadOnlyList<RunReport> runs, bool acts = false)
    {
        var page = new Markup();
        var axes = SharedAxes.Of(runs);
        bool several = runs.Count > 1;
        if (several)
        {
            page.Add($"""<header class="run"><h1>{runs.Count} runs</h1></header>""");
            ComparisonSection.Write(page, runs, axes);
        }
        for (int i = 0; i < runs.Count; i++)
            Run(page, runs[i], axes, $"r{i.ToString(CultureInfo.InvariantCulture)}", several ? 2 : 1, i, acts);
        return page;
    }

    private static void Run(Markup page, RunReport run, SharedAxes axes, string id, int level, int series, bool acts)
    {
        page.Add($"""<article aria-labelledby="{id}-name">""");
        RunHeader.Write(page, run, id, level);
        TrainingSection.Write(page, run, axes, id, level + 1, series);
        DescentSection.Write(page, run, axes, id, level + 1);
        CopiesSection.Write(page, run, id, level + 1, acts ? series : null);
        SavesSection.Write(page, run, id, level + 1);
        AuditSection.Write(page, run, id, level + 1);
        page.Add($"</article>\n");
    }

    // What a served page has above the content.
    private static void Bar(Markup page, IReadOnlyList<RunReport> runs, LivePage live)
    {
        page.Add($"""<aside class="bar" aria-label="Live" data-token="{live.Token}"><span id="link">connecting</span><span id="heard" class="unseen" role="status"></span>""");
        if (live.Token is not null)
        {
            for (int i = 0; i < runs.Count; i++)
            {
                page.Add($"""<span class="actions" role="group" aria-label="Ask {runs[i].Name}">{(runs.Count > 1 ? runs[i].Name : "")}""");
                foreach ((string action, string text, string question) in (ReadOnlySpan<(string, string, string)>)
                    [("save", "Save", "Save a checkpoint now?"), ("stop", "Stop", "Save a checkpoint and stop training?"), ("verify", "Verify", "Read all copies to their end? That may take long and slow training down.")])
                    page.Add($"""<button type="button" data-run="{i}" data-action="{action}" data-question="{runs[i].Name}: {question}">{text}</button>""");
                page.Add($"</span>");
            }
        }
        page.Add($"""<p id="answer" role="status"></p><dialog id="ask" aria-labelledby="question"><p id="question"></p><button type="button" value="yes">Yes</button> <button type="button" value="no" autofocus>No</button></dialog></aside>""").Add($"\n");
    }

    private static string ScriptOf(LivePage? live) => live is null ? Script.Value : Script.Value + LiveScript.Value;

    private static string Version => typeof(ReportPage).Assembly.GetName().Version?.ToString(3) ?? "";

    // A text between the tags counts byte by byte.
    private static string Hash(string text) => $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";

    private static string Resource(string name)
    {
        using Stream resource = Assembly.GetExecutingAssembly().GetManifestResourceStream($"Cairn.Cli.Reporting.{name}") ?? throw new InvalidOperationException($"{name} is not in the program.");
        using var reader = new StreamReader(resource, Encoding.UTF8);
        // A parser of HTML reads line ends in one form, and the hash is of what it reads.
        return reader.ReadToEnd().Replace("\r\n", "\n", StringComparison.Ordinal);
    }
}
