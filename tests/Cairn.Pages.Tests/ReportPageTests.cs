using System.Text;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Cairn.Pages.Tests;

/// <summary>The page of <c>cairn report</c> in a browser.</summary>
public class ReportPageTests(Browser browser, SampleRuns runs)
{
    private const int Phone = 360;

    [Theory]
    [InlineData("one", 1100, false), InlineData("one", 1100, true), InlineData("one", Phone, false), InlineData("several", 1100, false), InlineData("fresh", Phone, true)]
    public async Task It_is_readable_for_everybody_and_stays_by_itself(string which, int width, bool dark)
    {
        await using Window window = await OpenAsync(which, width, dark);
        await window.Page.EvaluateAsync("document.querySelectorAll('details').forEach(details => details.open = true)");
        AxeResult found = await window.Page.RunAxe();
        found.Violations.Select(violation => $"{violation.Id}: {string.Join("; ", violation.Nodes.Take(3).Select(node => node.Html))}").ShouldBeEmpty();
        // Of rules that are not at hand, none could be violated.
        found.Passes.Any(rule => rule.Id == "color-contrast").ShouldBeTrue();
        (await window.Page.EvaluateAsync<int>("document.documentElement.scrollWidth")).ShouldBeLessThanOrEqualTo(width, "nothing is wider than the screen");
        window.Problems.ShouldBeEmpty();
        window.Requests.ShouldAllBe(url => url.StartsWith("file:", StringComparison.Ordinal) && url.EndsWith(which + ".html", StringComparison.Ordinal) || url == "data:,");
    }

    [Fact]
    public async Task A_hostile_name_is_a_text_and_nothing_else()
    {
        await using Window window = await OpenAsync("several");
        (await window.Page.Locator("img").CountAsync()).ShouldBe(0);
        (await window.Page.Locator("h2#r1-name").TextContentAsync()).ShouldBe(SampleRuns.Hostile);
    }

    [Fact]
    public async Task The_policy_keeps_a_script_that_got_in_from_running()
    {
        string page = (await File.ReadAllTextAsync(runs.One, TestContext.Current.CancellationToken)).Replace("</main>", "<script>document.title = 'broken in'</script><img src=x onerror=\"document.title='broken in'\"><p style=\"color:red\">x</p></main>", StringComparison.Ordinal);
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["one.html"], page, TestContext.Current.CancellationToken);
        await using Window window = await browser.OpenAsync();
        await window.Page.GotoAsync("file://" + folder["one.html"]);
        (await window.Page.TitleAsync()).ShouldBe("baseline · Cairn");
        window.Problems.Count(problem => problem.Contains("Content Security Policy", StringComparison.Ordinal)).ShouldBeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task The_keys_read_values_and_zoom_on_all_panels_at_once()
    {
        await using Window window = await OpenAsync("one");
        ILocator chart = window.Page.Locator("#r0-chart"), readout = chart.Locator(".readout");
        await chart.FocusAsync();
        await window.Page.Keyboard.PressAsync("Home");
        (await readout.InnerTextAsync()).ShouldStartWith("step 0");
        await window.Page.Keyboard.PressAsync("End");
        string end = await readout.InnerTextAsync();
        end.ShouldStartWith("step 6,000");
        end.ShouldContain("loss ");
        end.ShouldContain("tokens per second ");
        end.ShouldContain("Checkpoint of step 6,000 (final)");
        string before = (await chart.Locator("svg.stretch").First.GetAttributeAsync("viewBox"))!;
        await window.Page.Keyboard.PressAsync("+");
        string[] boxes = await chart.Locator("svg.stretch").EvaluateAllAsync<string[]>("all => all.map(svg => svg.getAttribute('viewBox').split(' ').slice(0, 3).join(' '))");
        boxes.Distinct(StringComparer.Ordinal).ShouldHaveSingleItem().ShouldBe("500 0 500");
        (await chart.Locator("[data-axis] text").AllTextContentsAsync()).Any(text => text == "4,000").ShouldBeTrue();
        await window.Page.Keyboard.PressAsync("0");
        (await chart.Locator("svg.stretch").First.GetAttributeAsync("viewBox")).ShouldBe(before);
        window.Problems.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_pointer_reads_a_spike_of_a_single_step()
    {
        await using Window window = await OpenAsync("one");
        ILocator plot = window.Page.Locator("#r0-chart svg.plot").First;
        LocatorBoundingBoxResult box = (await plot.BoundingBoxAsync())!;
        await window.Page.Mouse.MoveAsync(box.X + box.Width * 3555 / 6000f, box.Y + box.Height / 2);
        (await window.Page.Locator("#r0-chart .readout").InnerTextAsync()).ShouldContain("9.7");
    }

    [Fact]
    public async Task It_prints_without_what_is_for_screens()
    {
        await using Window window = await OpenAsync("one");
        byte[] pdf = await window.Page.PdfAsync(new PagePdfOptions { Format = "A4", PrintBackground = false });
        Encoding.ASCII.GetString(pdf, 0, 5).ShouldBe("%PDF-");
        pdf.Length.ShouldBeGreaterThan(20_000);
        await window.Page.EmulateMediaAsync(new PageEmulateMediaOptions { Media = Media.Print });
        (await window.Page.Locator(".zoom").First.IsVisibleAsync()).ShouldBeFalse();
        (await window.Page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor")).ShouldBe("rgb(255, 255, 255)");
    }

    [Fact]
    public async Task Without_its_script_all_is_drawn()
    {
        await using Window window = await browser.OpenAsync(script: false);
        await window.Page.GotoAsync("file://" + runs.One);
        (await window.Page.Locator("#r0-chart path.curve.s0").CountAsync()).ShouldBe(3);
        (await window.Page.Locator("#r0-chart path.curve.s0").First.IsVisibleAsync()).ShouldBeTrue();
        (await window.Page.Locator(".zoom").CountAsync()).ShouldBe(0, "what cannot work is not there");
    }

    /// <summary>The pictures of the README: written only when <c>CAIRN_UPDATE_IMAGES=1</c> asks for it.</summary>
    [Theory, InlineData("report-light.png", 1100, 900, false), InlineData("report-dark.png", 1100, 900, true), InlineData("report-phone.png", Phone, 760, false)]
    public async Task The_pictures_of_the_readme_are_taken_from_it(string name, int width, int height, bool dark)
    {
        await using Window window = await browser.OpenAsync(width, height, dark);
        await window.Page.GotoAsync("file://" + runs.One);
        // The folder's name is another one each time.
        await window.Page.EvaluateAsync("document.querySelector('.place').textContent = 'runs/baseline'");
        byte[] picture = await window.Page.ScreenshotAsync();
        picture.Length.ShouldBeInRange(10_000, 150_000);
        if (Environment.GetEnvironmentVariable("CAIRN_UPDATE_IMAGES") == "1")
            await File.WriteAllBytesAsync(Path.Combine(Repository, "docs", "images", name), picture, TestContext.Current.CancellationToken);
        else
            File.Exists(Path.Combine(Repository, "docs", "images", name)).ShouldBeTrue("CAIRN_UPDATE_IMAGES=1 writes it");
    }

    private static string Repository
    {
        get
        {
            string folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "Cairn.slnx")))
                folder = Path.GetDirectoryName(folder)!;
            return folder;
        }
    }

    private async Task<Window> OpenAsync(string which, int width = 1100, bool dark = false)
    {
        Window window = await browser.OpenAsync(width, dark: dark);
        await window.Page.GotoAsync("file://" + which switch { "one" => runs.One, "several" => runs.Several, _ => runs.Fresh });
        return window;
    }
}
