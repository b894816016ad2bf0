using Cairn.Cli.Tests.Samples;

namespace Cairn.Cli.Tests.Verbs;

/// <summary>What stands in a run and is no copy of its is listed, counted and removed when asked.</summary>
public sealed class LeftOverTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void It_is_listed_and_removed_but_for_what_somebody_needs()
    {
        SampleRun run = SampleRun.Usual(_folder["run"]);
        CairnCall.Run("ls", run.Folder).Out.ShouldNotContain("Besides");
        // As when a branch comes to the step of one that was left.
        CairnCall.Run("keep", run.Folder, "200", "--why", "table 2").Code.ShouldBe(ExitCode.Good);
        Directory.CreateDirectory(run.PathOf("abandoned"));
        foreach (string step in (string[])["100", "200"])
            Directory.Move(run.PathOf(step), run.PathOf($"abandoned/{step}"));
        Directory.CreateDirectory(run.PathOf(".staging/x"));
        File.WriteAllBytes(run.PathOf(".staging/x/model.safetensors"), new byte[1000]);
        string listed = CairnCall.Run("ls", run.Folder).Out;
        listed.ShouldContain("abandoned/100 (a checkpoint that stood in the way of another), abandoned/200 (a checkpoint that stood in the way of another), .staging (being written, or kept to be overwritten by the next save)");

        CairnCall.Run("prune", run.Folder, "--left-over").Out.ShouldContain("remove  abandoned/100, ");
        Directory.Exists(run.PathOf("abandoned/100")).ShouldBeTrue();
        string removed = CairnCall.Run("prune", run.Folder, "--left-over", "--yes").Out;
        removed.ShouldContain("removed  abandoned/100, ");
        removed.ShouldNotContain("abandoned/200");
        Directory.GetDirectories(run.PathOf("abandoned")).Select(Path.GetFileName).ShouldBe(["200"]);
        Directory.Exists(run.PathOf(".staging")).ShouldBeFalse();
        Directory.Exists(run.PathOf("300")).ShouldBeTrue();
    }
}
