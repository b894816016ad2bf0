namespace Cairn.Docs.Tests;

/// <summary>Every relative link of a page leads to a file, and its anchor to a heading there.</summary>
public sealed class LinkTests
{
    [Fact]
    public void Every_relative_link_leads_somewhere()
    {
        var pages = Repository.Files("*.md").ToDictionary(path => path, Page.Read, StringComparer.Ordinal);
        pages.Count.ShouldBeGreaterThan(15);
        string[] broken = [.. pages.Values.SelectMany(page => Broken(page, pages))];
        broken.ShouldBeEmpty();
    }

    [Fact]
    public void A_link_to_what_is_not_there_is_found()
    {
        string here = Path.Combine(Repository.Root, "docs", "files.md");
        Page page = Page.Of(here, "# A page\n\n[a](commit.md) [b](commit.md#the-lock) [c](nothing.md) [d](commit.md#nothing) [e](#a-page) [f](#another) [g](https://example.org/x)\n\n<img src=\"images/none.png\">");

        Broken(page, new Dictionary<string, Page>(StringComparer.Ordinal)).ShouldBe(["docs/files.md: nothing.md", "docs/files.md: commit.md#nothing", "docs/files.md: #another", "docs/files.md: images/none.png"]);
    }

    [Fact]
    public void The_table_of_contents_of_the_site_names_every_page_of_docs_and_nothing_else()
    {
        string[] named = [.. File.ReadLines(Path.Combine(Repository.Root, "docs", "site", "toc.yml")).Where(line => line.TrimStart().StartsWith("href:", StringComparison.Ordinal)).Select(line => line.Split(':', 2)[1].Trim())];
        named.Where(page => page.StartsWith("docs/", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ShouldBe(Repository.Files("*.md", "docs").Select(Repository.Short).Order(StringComparer.Ordinal));
        // The site's own first page is the README, and the pages of the API are made from the code.
        named.Except(["index.md", "api/"], StringComparer.Ordinal).ShouldAllBe(page => File.Exists(Path.Combine(Repository.Root, page)));
    }

    private static IEnumerable<string> Broken(Page page, Dictionary<string, Page> pages)
    {
        foreach (string link in page.Links.Where(link => !link.Contains("://", StringComparison.Ordinal) && !link.StartsWith("mailto:", StringComparison.Ordinal)))
        {
            string[] parts = link.Split('#', 2);
            string target = parts[0].Length == 0 ? page.FullPath : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page.FullPath)!, Uri.UnescapeDataString(parts[0])));
            bool isThere = File.Exists(target) || Directory.Exists(target);
            if (isThere && parts.Length == 2)
            {
                Page there = target == page.FullPath ? page : pages.GetValueOrDefault(target) ?? Page.Read(target);
                isThere = there.Anchors.Contains(parts[1], StringComparer.Ordinal);
            }
            if (!isThere)
                yield return $"{Repository.Short(page.FullPath)}: {link}";
        }
    }
}
