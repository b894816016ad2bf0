using Cairn.Saving;
using Cairn.Stores;

namespace Cairn.Tests.Stores;

/// <summary><c>~</c> is the home folder, in whatever a path was written.</summary>
public class HomeFolderTests
{
    private static string Home => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    [Fact]
    public void It_stands_at_the_beginning_of_a_path_and_nowhere_else()
    {
        HomeFolder.Expanded("~").ShouldBe(Home);
        HomeFolder.Expanded("~/runs/a").ShouldBe(Home + "/runs/a");
        foreach (string path in (string[])["./~", "~other/a", "/a/~/b", "a~", ""])
            HomeFolder.Expanded(path).ShouldBe(path);
    }

    [Theory, InlineData("~/runs/a"), InlineData("local:~/runs/a")]
    public void A_run_lives_there(string folder)
    {
        RunHome.Of(new CheckpointOptions { Folder = folder }).Files.Root.ShouldBe(Home + "/runs/a");
        PlacePath.Full("~/runs/a").ShouldBe(Home + "/runs/a");
        PlacePath.Full("s3://bucket/~/a").ShouldBe("s3://bucket/~/a");
    }
}
