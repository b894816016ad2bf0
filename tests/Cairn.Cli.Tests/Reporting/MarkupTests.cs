using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Cairn.Cli.Reporting.Charts;
using Cairn.Cli.Reporting.Data;
using Cairn.Cli.Reporting.Page;
using CsCheck;

namespace Cairn.Cli.Tests.Reporting;

/// <summary>What anybody chose stays a text in the page, and the page runs nothing but its own script.</summary>
public sealed class MarkupTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_hole_is_a_text_whatever_stands_in_it() =>
        Gen.String.Sample(text =>
        {
            string page = new Markup().Add($"""<p title="{text}">{text}</p>""").ToString();
            XElement read = XElement.Parse(page.Replace("&#96;", "`", StringComparison.Ordinal));
            return !read.HasElements && read.Attributes().Count() == 1 && page.StartsWith("<p title=\"", StringComparison.Ordinal);
        }, iter: 2000);

    [Fact]
    public void The_signs_of_html_are_escaped_and_what_turns_text_around_is_made_visible()
    {
        new Markup().Add($"{"<a href='x'>\"&`"}").ToString().ShouldBe("&lt;a href=&#39;x&#39;&gt;&quot;&amp;&#96;");
        Markup.Escape("a\u202Eb\u0007").ShouldNotContain("\u202E");
        new Markup().Add($"{new Markup().Add($"<b>")}").ToString().ShouldBe("<b>", "what is markup stays so");
    }

    [Fact]
    public void A_name_cannot_end_the_block_of_data()
    {
        var page = new Markup();
        TrainingChart.Write(page, "x", Axis.Exact(0, 10, AxisUnit.Steps), [], [new RunMark(MarkKind.Failed, 3, "</script><script>alert(1)</script>")], "name");
        Regex.Count(page.ToString(), "</script>").ShouldBe(1);
    }

    [Fact]
    public void The_policy_names_the_page_s_own_script_and_style_and_allows_nothing_else()
    {
        LiveRun.Make(_folder["<run>"], new CheckpointOptions { TotalSteps = 40, CheckpointEvery = 20, Asynchronous = false }, 40, overflowAt: 7);
        RunReport run = new RunSource(_folder["<run>"], TimeProvider.System).Look();
        string page = ReportPage.Write([run]);
        string policy = Regex.Match(page, "http-equiv=\"Content-Security-Policy\" content=\"([^\"]*)\"").Groups[1].Value;
        policy.ShouldBe($"default-src 'none'; style-src '{Hash(page, "style")}'; script-src '{Hash(page, "script")}'; img-src data:; base-uri 'none'; form-action 'none'");
        ReportPage.Policy(new LivePage(null)).ShouldContain("connect-src 'self'");
        page.ShouldNotContain("<run>", Case.Sensitive);
        page.ShouldContain("&lt;run&gt;");
        page.ShouldNotContain("http://", Case.Insensitive, "nothing leads out of it but the name of SVG's own space, which the script knows");
        Regex.IsMatch(page, " style=| on[a-z]+=").ShouldBeFalse();
    }

    public void Dispose() => _folder.Dispose();

    private static string Hash(string page, string element)
    {
        string text = Regex.Match(page, $"<{element}>(.*?)</{element}>", RegexOptions.Singleline).Groups[1].Value;
        return $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";
    }
}
